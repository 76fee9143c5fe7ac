// The last utterances, newest first, each to be kept as a WAV file.

import { wav_parts } from "./pcm.js";

const MOST = 5;

// A session once; its audio stays in memory until five newer ones have come.
export function add_to_history({ utterance, pieces, sample_rate, request }) {
  const rows = document.querySelector("#history tbody");
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob(wav_parts(pieces, sample_rate), { type: "audio/wav" }));
  link.download = file_name(request);
  link.textContent = "WAV";
  link.setAttribute("aria-label", `Download as WAV: ${cut(utterance.text, 40)}`);
  const row = document.createElement("tr");
  row.append(cell(cut(utterance.text, 120)));
  row.append(cell(`${Math.round(utterance.ttfa_ms)} ms`, "number"), cell(utterance.rtf.toPrecision(2), "number"));
  row.append(cell(link));
  row.firstChild.title = utterance.text.slice(0, 500);
  rows.prepend(row);
  while (rows.children.length > MOST) {
    URL.revokeObjectURL(rows.lastChild.querySelector("a").href);
    rows.lastChild.remove();
  }
  document.getElementById("history").hidden = false;
  document.getElementById("no_history").hidden = true;
}

function cell(content, className = "") {
  const element = Object.assign(document.createElement("td"), { className });
  element.append(content);
  return element;
}

function cut(text, most) {
  const letters = [...text.replace(/\s+/g, " ").trim()];
  return letters.length > most ? `${letters.slice(0, most - 1).join("")}…` : letters.join("");
}

function file_name({ input, voice, seed }) {
  const words = input.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? [];
  return `${[...words.slice(0, 5), voice, seed].join("-").slice(0, 80)}.wav`;
}
