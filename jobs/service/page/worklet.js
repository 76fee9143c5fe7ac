// The audio thread's side of the player: a Playout behind a message port.

import { Playout } from "./playout.js";

class PlayoutProcessor extends AudioWorkletProcessor {
  #is_stopped = false;

  constructor() {
    super();
    const tell = (kind, sample) =>
      this.port.postMessage({ kind, at_s: currentTime + sample / sampleRate, underruns: this.playout.underruns });
    this.playout = new Playout(sampleRate, tell);
    this.port.onmessage = ({ data }) => {
      if (data.kind === "feed") this.playout.feed(data.samples, data.needed_s);
      else if (data.kind === "end") this.playout.end();
      else this.#is_stopped = true;
    };
  }

  process(_inputs, [[out]]) {
    if (this.#is_stopped) return false;
    this.playout.take(out);
    return !this.playout.is_done;
  }
}

registerProcessor("speechmill-playout", PlayoutProcessor);
