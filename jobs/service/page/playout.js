// What is played when: samples wait in a queue until the start rule has enough, and again after they ran out.
//
// No sample is lost, doubled or moved. An underrun is counted when a sample was due and none was there, and not at the
// end of the speech. Not known here: clocks, Web Audio, or how much is enough (the rule says so with each piece).

export class Playout {
  underruns = 0;
  is_done = false;
  #queue = [];
  #offset = 0; // samples of the first piece that are taken already
  #num_waiting = 0;
  #num_needed = 0;
  #is_playing = false;
  #has_started = false;
  #has_ended = false;
  #tell;

  // tell(kind, sample): "started", "dry", "resumed" and "done", at that sample of what is being taken.
  constructor(sample_rate, tell = () => {}) {
    this.sample_rate = sample_rate;
    this.#tell = tell;
  }

  get buffered_s() {
    return this.#num_waiting / this.sample_rate;
  }

  // A piece (Float32Array), and the seconds that have to be there before playback starts or goes on.
  feed(samples, needed_s) {
    this.#num_needed = needed_s * this.sample_rate;
    if (!samples.length) return;
    this.#queue.push(samples);
    this.#num_waiting += samples.length;
  }

  // Nothing more will come: what is there is enough.
  end() {
    this.#has_ended = true;
  }

  // Fill a Float32Array with what is to be heard now: samples, else silence.
  take(out) {
    const filled = this.#may_play() ? this.#fill(out) : 0;
    out.fill(0, filled);
    if (filled < out.length) this.#run_out(filled);
  }

  // All samples that may be played, at once, for a player that keeps a queue of its own; it says `run_out` itself.
  take_all() {
    const out = new Float32Array(this.#may_play() ? this.#num_waiting : 0);
    this.#fill(out);
    return out;
  }

  // The next sample is due and is not there.
  run_out() {
    this.#run_out(0);
  }

  #may_play() {
    if (this.#is_playing || !this.#num_waiting) return this.#is_playing;
    if (!this.#has_ended && this.#num_waiting < this.#num_needed) return false;
    this.#is_playing = true;
    this.#tell(this.#has_started ? "resumed" : "started", 0);
    this.#has_started = true;
    return true;
  }

  #fill(out) {
    let filled = 0;
    while (filled < out.length && this.#queue.length) {
      const piece = this.#queue[0].subarray(this.#offset, this.#offset + out.length - filled);
      out.set(piece, filled);
      filled += piece.length;
      this.#offset += piece.length;
      if (this.#offset === this.#queue[0].length) {
        this.#queue.shift();
        this.#offset = 0;
      }
    }
    this.#num_waiting -= filled;
    return filled;
  }

  #run_out(sample) {
    if (this.is_done || this.#num_waiting) return;
    if (this.#has_ended) {
      this.is_done = true;
      this.#is_playing = false;
      this.#tell("done", sample);
    } else if (this.#is_playing) {
      this.underruns += 1;
      this.#is_playing = false;
      this.#tell("dry", sample);
    }
  }
}
