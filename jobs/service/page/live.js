// An utterance whose text is still being typed, over a WebSocket: the words go out while the audio comes in.

import { live_socket, ServiceError, voices } from "./service.js";
import { Session } from "./session.js";

export class LiveSession extends Session {
  is_open = true; // more text may be written
  #socket = null;
  #waiting = []; // messages until the connection is there

  // request: as a Session takes it, without an input.
  constructor(model, player, request, file_format, view) {
    super(model, player, { ...request, input: "" }, file_format, view);
    this.utterance.is_arriving = true;
    const { voice, seed, speed } = request;
    this.#send({ type: "session.config", voice, seed, speed, response_format: "pcm", stream_audio: true });
  }

  // The next of the text; any cut is right.
  write(text) {
    if (!text) return;
    this.utterance.write(text);
    this.request.input += text;
    this.#send({ type: "input.text", text });
  }

  // The text is complete.
  finish() {
    this.is_open = false;
    this.utterance.is_arriving = false;
    this.#send({ type: "input.done" });
  }

  async receive(signal) {
    this.get_player();
    const socket = live_socket();
    this.#socket = socket;
    signal.addEventListener("abort", () => socket.close());
    socket.addEventListener("open", () => this.#flush());
    try {
      for await (const data of messages(socket)) {
        if (!this.is_live) return;
        if (data instanceof ArrayBuffer) await this.take(new Uint8Array(data));
        else if (await this.#told(JSON.parse(data))) return;
      }
      if (this.is_live) await this.#explain();
    } finally {
      this.is_open = false;
      socket.close();
    }
  }

  // Whether a message of the service is the last.
  async #told({ type, message, timings_ms, sample_rate }) {
    if (type === "error") throw new ServiceError(`The service refused: ${message}.`);
    if (type === "audio.start") this.begin(timings(timings_ms), sample_rate);
    if (type === "session.done" && this.is_live) await this.end();
    return type === "session.done";
  }

  // A browser does not tell why a WebSocket was refused; another request does.
  async #explain() {
    if (this.#waiting.length) await voices();
    throw new ServiceError("The service closed the connection.");
  }

  #send(message) {
    this.#waiting.push(JSON.stringify(message));
    if (this.#socket?.readyState === 1) this.#flush();
  }

  #flush() {
    for (const message of this.#waiting.splice(0)) this.#socket.send(message);
  }
}

function timings(timings_ms) {
  return Object.entries(timings_ms ?? {}).map(([name, dur_ms]) => ({ name, dur_ms }));
}

// What comes over a WebSocket, to its end.
async function* messages(socket) {
  const come = [];
  let is_over = false;
  let wake = () => {};
  const add = (message) => {
    if (message === null) is_over = true;
    else come.push(message);
    wake();
  };
  socket.addEventListener("message", ({ data }) => add(data));
  socket.addEventListener("close", () => add(null));
  while (true) {
    if (come.length) yield come.shift();
    else if (is_over) return;
    else await new Promise((resolve) => (wake = resolve));
  }
}
