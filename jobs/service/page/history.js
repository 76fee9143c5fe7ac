// The last utterances, newest first: each can be heard again from any point, and kept as a file of the chosen format.

import { peaks, wav_parts } from "./pcm.js";
import { speech } from "./service.js";

const MOST = 5;
const NUM_BARS = 72;
const HEIGHT = 32; // units of the picture; a bar is two wide and stands three from the next
const SVG = "http://www.w3.org/2000/svg";

export class History {
  #clips;
  #tell;

  // clips: a ClipPlayer; tell(message, is_bad): what went wrong with a download.
  constructor(clips, tell) {
    this.#clips = clips;
    this.#tell = tell;
  }

  // A session once; its audio stays in memory until five newer ones have come.
  add({ utterance, pieces, sample_rate, request, file_format }) {
    const wav = new Blob(wav_parts(pieces, sample_rate), { type: "audio/wav" });
    const url = URL.createObjectURL(wav);
    const play = element("button", { type: "button", className: "round" });
    const bars = waveform(peaks(pieces, NUM_BARS));
    const show = (share) => [...bars.children].forEach((bar, k) => bar.classList.toggle("played", k < share * NUM_BARS));
    const name = (is_playing) => {
      play.classList.toggle("is_playing", is_playing);
      play.setAttribute("aria-label", `${is_playing ? "Stop" : "Play again"}: ${cut(utterance.text, 40)}`);
    };
    const view = { progress: show, ended: () => (show(0), name(false)) };
    const start = (from) => (name(true), this.#clips.play(url, view, from).catch((error) => this.#tell(error.message, true)));
    play.addEventListener("click", () => (this.#clips.is_playing(url) ? this.#clips.stop() : start(0)));
    bars.addEventListener("click", (event) => start(event.offsetX / bars.clientWidth));
    name(false);
    const row = element("li", { className: "utterance" });
    row.append(play, element("p", { className: "said", textContent: cut(utterance.text, 160) }), bars);
    row.append(figures(utterance, request), this.#download(request, file_format, wav));
    row.url = url;
    this.#show(row);
  }

  #show(row) {
    const list = document.getElementById("history");
    list.prepend(row);
    while (list.children.length > MOST) {
      if (this.#clips.is_playing(list.lastChild.url)) this.#clips.stop();
      URL.revokeObjectURL(list.lastChild.url);
      list.lastChild.remove();
    }
    document.getElementById("no_history").hidden = true;
  }

  // A WAV file is made of the samples that were heard. Others are asked of the service: the same request, the same audio.
  #download(request, file_format, wav) {
    const button = element("button", { type: "button", className: "link", textContent: file_format.toUpperCase() });
    button.setAttribute("aria-label", `Download as ${file_format.toUpperCase()}: ${cut(request.input, 40)}`);
    let file = file_format === "wav" ? wav : null;
    button.addEventListener("click", async () => {
      button.disabled = true;
      try {
        file ??= await (await speech({ ...request, response_format: file_format, stream: false })).blob();
        save(file, file_name(request, file_format));
      } catch (error) {
        this.#tell(error.message, true);
      } finally {
        button.disabled = false;
      }
    });
    return button;
  }
}

function waveform(heights) {
  const picture = document.createElementNS(SVG, "svg");
  const attributes = { viewBox: `0 0 ${3 * NUM_BARS - 1} ${HEIGHT}`, preserveAspectRatio: "none", "aria-hidden": "true" };
  for (const [name, value] of Object.entries(attributes)) picture.setAttribute(name, value);
  picture.classList.add("wave");
  heights.forEach((share, k) => {
    const bar = document.createElementNS(SVG, "rect");
    const height = Math.max(1.5, HEIGHT * share);
    for (const [name, value] of Object.entries({ x: 3 * k, y: (HEIGHT - height) / 2, width: 2, height, rx: 1 })) {
      bar.setAttribute(name, value);
    }
    picture.append(bar);
  });
  return picture;
}

function figures({ made_s, ttfa_ms, rtf }, { voice, seed }) {
  const parts = [voice, `seed ${seed}`, `${made_s.toFixed(1)} s`, `first sound ${Math.round(ttfa_ms)} ms`];
  const text = [...parts, `RTF ${rtf.toPrecision(2)}`].filter(Boolean).join(" · ");
  return element("p", { className: "quiet number about", textContent: text });
}

function save(blob, name) {
  const link = element("a", { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

function element(tag, properties) {
  return Object.assign(document.createElement(tag), properties);
}

function cut(text, most) {
  const letters = [...text.replace(/\s+/g, " ").trim()];
  return letters.length > most ? `${letters.slice(0, most - 1).join("")}…` : letters.join("");
}

function file_name({ input, voice, seed }, extension) {
  const words = input.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? [];
  return `${[...words.slice(0, 5), voice, seed].join("-").slice(0, 80)}.${extension}`;
}
