// One utterance from the press of the button to its last sound: asked for, played as it arrives, and measured.
// Its text is there, or, in a LiveSession, still being typed.
//
// A Session tells its view what happens; it touches no element of the page. Once it is over it says nothing more.

import { milliseconds } from "./charts.js";
import { first_audible, SampleReader, to_float } from "./pcm.js";
import { server_timings, ServiceError, speech } from "./service.js";
import { PlaybackStart } from "./playback_start.js";
import { Utterance } from "./utterance.js";

export class Session {
  pieces = []; // Int16Array each
  #abort = new AbortController();
  #playback = null; // a promise of one
  #samples = new SampleReader();
  #sent_at = 0;
  #over_ms = null;
  #view;
  #player;
  #model;

  // model: what the service told of it; request: the body of POST v1/audio/speech; file_format: of its download.
  // view: status(message, is_bad), recorded(session) once it was heard and is whole, ended(session, error).
  constructor(model, player, request, file_format, view) {
    this.#model = model;
    this.#player = player;
    this.#view = view;
    this.request = request;
    this.file_format = file_format;
    this.sample_rate = model.sample_rate;
    this.utterance = new Utterance(request.input, new PlaybackStart(model.audio_char_s / request.speed, model.chunk_chars));
  }

  // Milliseconds since the request was sent; they stop when the session is over.
  get now_ms() {
    return this.#over_ms ?? performance.now() - this.#sent_at;
  }

  get is_live() {
    return this.#over_ms === null;
  }

  async run() {
    this.#sent_at = performance.now();
    try {
      await this.receive(this.#abort.signal);
    } catch (error) {
      this.#fail(error);
    }
  }

  // Ask for no more, and be silent.
  stop() {
    if (this.is_live) this.#finish("Stopped.");
  }

  // Ask for the speech and take its audio, to the end.
  async receive(signal) {
    const asked = speech(this.request, signal);
    this.get_player(); // while the service works
    const response = await asked;
    this.begin(server_timings(response.headers.get("Server-Timing")), Number(response.headers.get("X-Sample-Rate")));
    const bytes = response.body.getReader();
    for (let chunk = await bytes.read(); !chunk.done; chunk = await bytes.read()) {
      if (!this.is_live) return;
      await this.take(chunk.value);
    }
    if (this.is_live) await this.end();
  }

  // The first audio is there. timings: of the server, [{name, dur_ms}].
  begin(timings, sample_rate) {
    this.utterance.timings = timings;
    if (!sample_rate || sample_rate === this.sample_rate) return;
    this.#silence();
    this.sample_rate = sample_rate;
    this.get_player();
  }

  // Bytes of the audio, cut anywhere.
  async take(bytes) {
    await this.#play(this.#samples.read(bytes));
  }

  // The audio is whole.
  async end() {
    const utterance = this.utterance;
    if (this.#samples.is_torn) throw new ServiceError("The audio ended in the middle of a sample.");
    if (!this.pieces.length) throw new ServiceError("The service sent no audio.");
    utterance.end(this.now_ms);
    (await this.#playback).end();
    if (!this.#player.is_running) this.#view.status("The browser holds the sound back: press Speak once more.", true);
    this.#record();
  }

  async #play(piece) {
    if (!piece.length) return;
    this.pieces.push(piece);
    const audible = this.utterance.lead_s === null ? first_audible(piece) : -1;
    if (audible >= 0) this.utterance.lead_s = this.utterance.made_s + audible / this.sample_rate;
    this.utterance.arrive(this.now_ms, piece.length / this.sample_rate);
    (await this.#playback).feed(to_float(piece), this.utterance.needed_s());
  }

  get_player() {
    this.#playback = this.#player.play(this.sample_rate, (...event) => this.#hear(...event));
    this.#playback.catch(() => {}); // told where it is awaited
  }

  #silence() {
    this.#playback?.then((playback) => playback.stop()).catch(() => {});
  }

  #hear(kind, at_ms, underruns) {
    if (!this.is_live) return;
    const utterance = this.utterance;
    utterance.hear(kind, at_ms - this.#sent_at, underruns);
    if (kind === "started") {
      this.#view.status(`First sound after ${milliseconds(utterance.ttfa_ms)}.`);
      this.#record();
    } else if (kind === "dry") {
      this.#view.status("Waiting for audio …");
    } else if (kind === "resumed") {
      this.#view.status("Speaking …");
    } else {
      setTimeout(() => this.is_live && this.#finish(summary(utterance)), Math.max(0, at_ms - performance.now()));
    }
  }

  #fail(error) {
    if (!this.is_live) return;
    const made_s = this.utterance.made_s;
    const message = error instanceof ServiceError ? error.message : `The speech broke off: ${error.message}.`;
    this.#finish(made_s ? `${message} ${made_s.toFixed(1)} s of audio had come.` : message, error);
  }

  #record() {
    if (this.utterance.ttfa_ms !== null && this.utterance.ended_ms !== null) this.#view.recorded(this);
  }

  #finish(message, error = null) {
    this.#over_ms = this.now_ms;
    this.#abort.abort();
    this.#silence();
    this.utterance.hear("done", this.#over_ms, this.utterance.underruns);
    this.#view.status(message, error !== null);
    this.#view.ended(this, error);
  }
}

function summary({ made_s, ttfa_ms, underruns }) {
  const dry = underruns ? `, ${underruns} underrun${underruns > 1 ? "s" : ""}` : "";
  return `Spoken: ${made_s.toFixed(1)} s of audio, the first after ${milliseconds(ttfa_ms)}${dry}.`;
}
