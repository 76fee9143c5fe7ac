// What was measured of one utterance, and the figures and stages that follow from it.
//
// Times are milliseconds since the request was sent. Nothing here reads a clock: times are given.

import { MAX_ARRIVALS } from "./playback_start.js";

const SERVER_STAGES = {
  queue: "Queue",
  text: "Text",
  prefill: "Prefill",
  steps: "Steps",
  vocoder: "Vocoder",
  speech: "Speech",
};

export class Utterance {
  timings = []; // of the server, [{name, dur_ms}]
  arrivals = []; // of pieces, [{at_ms, made_s}], made_s the audio with it
  plays = []; // spans in which it is heard, [{from_ms, to_ms}], to_ms null while it goes on
  decided_ms = null; // the start rule let it start
  ended_ms = null; // the last byte was there
  underruns = 0;
  lead_s = null; // silence that the voice itself begins with
  is_arriving = false; // more text may come

  constructor(text, rule) {
    this.text = text;
    this.num_chars = [...text].length;
    this.rule = rule;
  }

  // More of the text.
  write(text) {
    this.text += text;
    this.num_chars += [...text].length;
  }

  arrive(at_ms, audio_s) {
    this.arrivals.push({ at_ms, made_s: this.made_s + audio_s });
    if (this.decided_ms === null && this.made_s >= this.needed_s()) this.decided_ms = at_ms;
  }

  end(at_ms) {
    this.ended_ms = at_ms;
    this.decided_ms ??= at_ms;
  }

  // A playback's event, at the time when it is heard.
  hear(kind, at_ms, underruns) {
    this.underruns = underruns;
    if (kind === "started" || kind === "resumed") {
      this.plays.push({ from_ms: Math.max(at_ms, this.plays.at(-1)?.to_ms ?? this.decided_ms ?? 0), to_ms: null });
    } else if (this.plays.length && this.plays.at(-1).to_ms === null) {
      this.plays.at(-1).to_ms = Math.max(at_ms, this.plays.at(-1).from_ms);
    }
  }

  get made_s() {
    return this.arrivals.at(-1)?.made_s ?? 0;
  }

  // Seconds of audio that have to be there before playback starts or goes on.
  needed_s() {
    if (this.ended_ms !== null) return 0;
    const begun = Math.min(this.num_chars, Math.round(this.made_s / this.rule.char_s));
    const recent = this.arrivals.slice(-MAX_ARRIVALS).map(({ at_ms, made_s }) => [at_ms / 1000, made_s]);
    const jitter_s = this.rule.jitter_s(recent);
    const left = this.is_arriving ? null : this.num_chars - begun;
    return this.rule.needed_s(this.made_s, this.spent_s, begun, left, jitter_s);
  }

  // Seconds that making the audio so far took: without the way and the queue, which are waited for once, where the
  // server tells its share.
  get spent_s() {
    const work_ms = this.#server_ms - (this.timings.find(({ name }) => name === "queue")?.dur_ms ?? 0);
    const begun_ms = work_ms > 0 ? Math.max(0, (this.arrivals[0]?.at_ms ?? 0) - work_ms) : 0;
    return Math.max(0, (this.arrivals.at(-1)?.at_ms ?? 0) - begun_ms) / 1000;
  }

  get #server_ms() {
    return this.timings.reduce((sum, { dur_ms }) => sum + dur_ms, 0);
  }

  get ttfa_ms() {
    return this.plays[0]?.from_ms ?? null;
  }

  get longest_gap_ms() {
    const gaps = this.arrivals.slice(1).map(({ at_ms }, k) => at_ms - this.arrivals[k].at_ms);
    return gaps.reduce((most, gap) => Math.max(most, gap), 0);
  }

  // Seconds from the request to the last byte, per second of audio.
  get rtf() {
    return this.made_s > 0 && this.ended_ms !== null ? this.ended_ms / 1000 / this.made_s : null;
  }

  // What the time to the first sound went to, one behind the other: [{name, title, from_ms, to_ms}].
  stages() {
    const stages = [];
    let cursor = 0;
    const add = (name, title, to_ms) => {
      stages.push({ name, title, from_ms: cursor, to_ms: Math.max(cursor, to_ms) });
      cursor = Math.max(cursor, to_ms);
    };
    for (const { name, dur_ms } of this.timings) add(name, SERVER_STAGES[name] ?? name, cursor + dur_ms);
    if (this.arrivals.length) add("transport", "Transport", this.arrivals[0].at_ms);
    if (this.decided_ms !== null) add("rule", "Start rule", this.decided_ms);
    if (this.ttfa_ms !== null) add("output", "Sound device", this.ttfa_ms);
    return stages;
  }

  // Audio that is there and not yet heard: corners [{at_ms, buffered_s}] of a line, up to a time.
  buffer_line(until_ms) {
    const times = [0, until_ms, ...this.arrivals.map(({ at_ms }) => at_ms)];
    for (const { from_ms, to_ms } of this.plays) times.push(from_ms, to_ms ?? until_ms);
    const corners = [...new Set(times)].filter((at_ms) => at_ms <= until_ms).sort((a, b) => a - b);
    const line = [];
    let made_s = 0;
    let next = 0;
    for (const at_ms of corners) {
      const heard_s = this.#heard_s(at_ms);
      line.push({ at_ms, buffered_s: Math.max(0, made_s - heard_s) });
      while (next < this.arrivals.length && this.arrivals[next].at_ms <= at_ms) made_s = this.arrivals[next++].made_s;
      if (made_s - heard_s > line.at(-1).buffered_s) line.push({ at_ms, buffered_s: made_s - heard_s });
    }
    return line;
  }

  // Spans in which audio was due and none was there.
  dry_spans(until_ms) {
    return this.plays.slice(0, this.underruns).flatMap(({ to_ms }, k) =>
      to_ms === null ? [] : [{ from_ms: to_ms, to_ms: this.plays[k + 1]?.from_ms ?? until_ms }],
    );
  }

  #heard_s(at_ms) {
    const spans = this.plays.map(({ from_ms, to_ms }) => Math.max(0, Math.min(at_ms, to_ms ?? at_ms) - from_ms));
    return spans.reduce((sum, ms) => sum + ms, 0) / 1000;
  }
}
