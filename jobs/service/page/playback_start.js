// When playback may start: the same rule, under the same names, as playback_start.py, where it is derived.

export const MAX_ARRIVALS = 64;

export class PlaybackStart {
  // char_s: seconds of audio per character; chunk_chars: most characters whose audio comes at once, 0 for a stream.
  constructor(char_s, chunk_chars, margin = 1.2) {
    this.char_s = char_s;
    this.chunk_chars = chunk_chars;
    this.margin = margin;
  }

  // Whether playback that starts now is not expected to run dry. chars_left: null where it is not known.
  may_start(made_s, spent_s, chars_begun, chars_left, jitter_s = 0) {
    if (made_s <= 0) return false;
    return made_s >= this.needed_s(made_s, spent_s, chars_begun, chars_left, jitter_s);
  }

  // Seconds of audio that have to be there, 0 when nothing is left to make.
  needed_s(made_s, spent_s, chars_begun, chars_left, jitter_s = 0) {
    const char_s = Math.max(this.char_s, chars_begun ? made_s / chars_begun : 0);
    const in_hand_s = this.chunk_chars ? 0 : Math.max(0, chars_begun * char_s - made_s);
    const left = chars_left === null ? this.chunk_chars : chars_left;
    const left_s = in_hand_s + left * char_s;
    const chunk_s = Math.min(this.chunk_chars * char_s, left_s);
    const slowness = made_s > 0 ? (this.margin * spent_s) / made_s : 0;
    const late_s = left_s > 0 ? jitter_s : 0;
    return chunk_s * slowness + Math.max(0, (left_s - chunk_s) * (slowness - 1)) + late_s;
  }

  // The longest that a piece, or a run of them, was late by; arrivals: [seconds, seconds of audio made by then] each.
  jitter_s(arrivals) {
    if (arrivals.length < 2 || arrivals.at(-1)[1] <= arrivals[0][1]) return 0;
    const [first_at_s, first_s] = arrivals[0];
    const [last_at_s, last_s] = arrivals.at(-1);
    const slowness = (last_at_s - first_at_s) / (last_s - first_s);
    const most_chunk_s = this.chunk_chars * this.char_s;
    let late_s = 0;
    let earliest_s = Infinity;
    for (let k = 1; k < arrivals.length; k++) {
      const [at_s, made_s] = arrivals[k - 1];
      const [next_at_s, next_made_s] = arrivals[k];
      earliest_s = Math.min(earliest_s, at_s - slowness * made_s);
      const chunk_s = Math.min(next_made_s - made_s, most_chunk_s);
      late_s = Math.max(late_s, next_at_s - slowness * (made_s + chunk_s) - earliest_s);
    }
    return late_s;
  }
}
