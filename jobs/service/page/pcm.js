// Bytes to samples and samples to a WAV file. Not known here: where bytes come from, or who plays the samples.

// Cuts a stream of 16-bit little-endian bytes into samples; a chunk may end in the middle of one.
export class SampleReader {
  #half = null; // the first byte of a sample whose second has not come

  // Uint8Array of any length in, Int16Array of the samples that are whole out.
  read(bytes) {
    if (bytes.length && this.#half !== null) {
      const whole = new Uint8Array(bytes.length + 1);
      whole[0] = this.#half;
      whole.set(bytes, 1);
      bytes = whole;
      this.#half = null;
    }
    if (bytes.length % 2) {
      this.#half = bytes[bytes.length - 1];
    }
    const samples = new Int16Array(bytes.length >> 1);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    for (let i = 0; i < samples.length; i++) samples[i] = view.getInt16(2 * i, true);
    return samples;
  }

  // Whether the stream so far ends in the middle of a sample.
  get is_torn() {
    return this.#half !== null;
  }
}

// Int16Array to Float32Array in -1 … 1.
export function to_float(samples) {
  const floats = new Float32Array(samples.length);
  for (let i = 0; i < samples.length; i++) floats[i] = samples[i] / 32768;
  return floats;
}

// Index of the first sample that can be heard (-60 dB of full scale), -1 if there is none.
export function first_audible(samples) {
  return samples.findIndex((sample) => Math.abs(sample) >= 33);
}

// How loud a clip (a list of Int16Array) is in equal parts of it: shares of its loudest part, 0 … 1.
export function peaks(pieces, num_parts) {
  const num_samples = pieces.reduce((sum, piece) => sum + piece.length, 0);
  const found = new Array(num_parts).fill(0);
  let start = 0;
  for (const piece of pieces) {
    for (let i = 0; i < piece.length; i++) {
      const part = Math.floor(((start + i) * num_parts) / num_samples);
      const level = Math.abs(piece[i]);
      if (level > found[part]) found[part] = level;
    }
    start += piece.length;
  }
  const loudest = Math.max(...found);
  return found.map((level) => (loudest ? level / loudest : 0));
}

// The bytes of a 16-bit mono WAV file, in order: a header, then each Int16Array of the list.
export function wav_parts(pieces, sample_rate) {
  const data_bytes = 2 * pieces.reduce((sum, piece) => sum + piece.length, 0);
  const header = new DataView(new ArrayBuffer(44));
  const name = (at, text) => [...text].forEach((letter, i) => header.setUint8(at + i, letter.charCodeAt(0)));
  name(0, "RIFF");
  header.setUint32(4, 36 + data_bytes, true);
  name(8, "WAVEfmt ");
  header.setUint32(16, 16, true);
  header.setUint16(20, 1, true); // PCM
  header.setUint16(22, 1, true); // mono
  header.setUint32(24, sample_rate, true);
  header.setUint32(28, 2 * sample_rate, true);
  header.setUint16(32, 2, true);
  header.setUint16(34, 16, true);
  name(36, "data");
  header.setUint32(40, data_bytes, true);
  return [header.buffer, ...pieces.map(little_endian)];
}

function little_endian(samples) {
  const view = new DataView(new ArrayBuffer(2 * samples.length));
  samples.forEach((sample, i) => view.setInt16(2 * i, sample, true));
  return view.buffer;
}
