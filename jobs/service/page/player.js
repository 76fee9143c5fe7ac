// Samples to the loudspeaker, and the times at which they are heard.
//
// Playback goes through an AudioWorklet at the model's own rate. Where the browser has none (a page that did not come
// over HTTPS or from this machine) or refuses the rate, pieces are scheduled one behind the other instead. Times are
// milliseconds of performance.now(), the delay of the sound device included as far as the browser tells it.

import { Playout } from "./playout.js";

const IDLE_MS = 30_000;
const SCHEDULE_AHEAD_S = 0.01;

export class Player {
  #context = null;
  #has_worklet = false;
  #opened = null;
  #idle = 0;
  #is_busy = false;

  async #open(sample_rate) {
    try {
      this.#context = new AudioContext({ sampleRate: sample_rate, latencyHint: "interactive" });
    } catch {
      this.#context = new AudioContext({ latencyHint: "interactive" });
    }
    if (this.#context.sampleRate !== sample_rate || !this.#context.audioWorklet) return;
    try {
      await this.#context.audioWorklet.addModule(new URL("worklet.js", import.meta.url));
      this.#has_worklet = true;
    } catch {
      // Scheduled pieces need no module.
    }
  }

  // Start the sound device, for a while. To be called when the person does something: browsers allow no sound before,
  // and by the time that there is any it runs.
  wake(sample_rate) {
    this.#opened ??= this.#open(sample_rate);
    this.#arm();
    this.#context.resume().catch(() => {});
    return this.#opened;
  }

  // The playback is over.
  rest() {
    this.#is_busy = false;
    this.#arm();
  }

  #arm() {
    clearTimeout(this.#idle);
    this.#idle = setTimeout(() => this.#is_busy || this.#context.suspend(), IDLE_MS);
  }

  get is_running() {
    return this.#context?.state === "running";
  }

  // A playback that is fed piece by piece. tell(kind, at_ms, underruns): as a Playout tells it, when it is heard.
  async play(sample_rate, tell) {
    this.#is_busy = true;
    await this.wake(sample_rate);
    const heard = ({ kind, at_s, underruns }) => tell(kind, this.#heard_ms(at_s), underruns);
    const is_fit = this.#has_worklet && this.#context.sampleRate === sample_rate;
    return new (is_fit ? WorkletPlayback : ScheduledPlayback)(this.#context, sample_rate, heard);
  }

  // When the sample of this context time is heard.
  #heard_ms(at_s) {
    const stamp = this.#context.getOutputTimestamp?.();
    if (stamp?.performanceTime > 0 && stamp.contextTime > 0) {
      return stamp.performanceTime + 1000 * (at_s - stamp.contextTime);
    }
    const latency_s = this.#context.outputLatency || this.#context.baseLatency || 0;
    return performance.now() + 1000 * (at_s - this.#context.currentTime + latency_s);
  }
}

class WorkletPlayback {
  #node;

  constructor(context, _sample_rate, tell) {
    this.#node = new AudioWorkletNode(context, "speechmill-playout", { numberOfInputs: 0, outputChannelCount: [1] });
    this.#node.port.onmessage = ({ data }) => tell(data);
    this.#node.connect(context.destination);
  }

  feed(samples, needed_s) {
    this.#node.port.postMessage({ kind: "feed", samples, needed_s }, [samples.buffer]);
  }

  end() {
    this.#node.port.postMessage({ kind: "end" });
  }

  stop() {
    this.#node.port.onmessage = null;
    this.#node.port.postMessage({ kind: "stop" });
    this.#node.disconnect();
  }
}

class ScheduledPlayback {
  #context;
  #playout;
  #next_s = 0; // context time at which the next sample is due
  #pending = new Set();

  constructor(context, sample_rate, tell) {
    this.#context = context;
    this.#playout = new Playout(sample_rate, (kind) => {
      if (kind === "started" || kind === "resumed") this.#next_s = context.currentTime + SCHEDULE_AHEAD_S;
      tell({ kind, at_s: this.#next_s, underruns: this.#playout.underruns });
    });
  }

  feed(samples, needed_s) {
    if (this.#pending.size && this.#context.currentTime > this.#next_s) this.#playout.run_out();
    this.#playout.feed(samples, needed_s);
    this.#schedule();
  }

  end() {
    this.#playout.end();
    this.#schedule();
    if (!this.#pending.size) this.#playout.run_out();
  }

  stop() {
    for (const source of this.#pending) {
      source.onended = null;
      source.stop();
    }
    this.#pending.clear();
  }

  #schedule() {
    const samples = this.#playout.take_all();
    if (!samples.length) return;
    const buffer = this.#context.createBuffer(1, samples.length, this.#playout.sample_rate);
    buffer.copyToChannel(samples, 0);
    const source = new AudioBufferSourceNode(this.#context, { buffer });
    source.connect(this.#context.destination);
    source.onended = () => {
      this.#pending.delete(source);
      if (!this.#pending.size) this.#playout.run_out();
    };
    source.start(this.#next_s);
    this.#next_s += buffer.duration;
    this.#pending.add(source);
  }
}
