// The page: its form, its figures and its keys. What is typed becomes a Session, which tells what happens.

import { draw_timeline, draw_waterfall } from "./charts.js";
import { History } from "./history.js";
import { LiveSession } from "./live.js";
import { Player } from "./player.js";
import { ClipPlayer, Preview } from "./preview.js";
import { has_token, keep_token, voices } from "./service.js";
import { Session } from "./session.js";
import { SNIPPETS } from "./snippets.js";

const API = "v1"; // below the page's own address
const DRAW_EVERY_MS = 80;
const FORMATS = { mp3: "MP3", opus: "Opus", aac: "AAC", flac: "FLAC, lossless", wav: "WAV, lossless", pcm: "raw samples" };

const by_id = (id) => document.getElementById(id);
const player = new Player();
const clips = new ClipPlayer(() => session?.stop());
const history = new History(clips, say_status);
const preview = new Preview(by_id("preview"), clips);
let model = null; // what GET v1/voices told
let session = null; // the one that speaks, or was last
let language = "curl"; // of the program that is shown

const view = {
  status: say_status,
  recorded: (recorded) => history.add(recorded),
  ended(ended, error) {
    if (ended !== session) return;
    by_id("live_said").textContent = "";
    player.rest();
    draw();
    set_buttons();
    if (error?.needs_token) ask_for_token();
  },
};

function say_status(message, is_bad = false) {
  by_id("status").textContent = message;
  by_id("status").classList.toggle("is_bad", is_bad);
}

function draw() {
  show_figures(session.utterance);
  draw_waterfall(by_id("waterfall"), session.utterance, session.now_ms);
  draw_timeline(by_id("timeline"), session.utterance, session.now_ms, session.is_live);
}

function draw_on(drawn_at = -Infinity) {
  if (!session.is_live) return;
  const is_due = performance.now() - drawn_at >= DRAW_EVERY_MS;
  if (is_due) draw();
  requestAnimationFrame(() => draw_on(is_due ? performance.now() : drawn_at));
}

function show_figures({ ttfa_ms, rtf, made_s, arrivals, longest_gap_ms, underruns }) {
  show("ttfa", ttfa_ms?.toFixed(0), "ms");
  show("rtf", rtf?.toPrecision(2));
  show("audio", made_s ? made_s.toFixed(1) : null, "s");
  show("chunks", arrivals.length || null);
  show("gap", arrivals.length > 1 ? longest_gap_ms.toFixed(0) : null, "ms");
  show("underruns", arrivals.length ? underruns : null);
  by_id("underruns").classList.toggle("is_bad", underruns > 0);
}

function show(id, figure, unit = "") {
  const small = Object.assign(document.createElement("small"), { textContent: unit });
  by_id(id).replaceChildren(...(figure === null || figure === undefined ? ["–"] : [figure, small]));
}

function speak() {
  if (!can_speak() || !by_id("speak_form").reportValidity()) return;
  session?.stop();
  clips.stop();
  // Samples as they are: any other format would hold sound back on its way.
  const request = { ...form(), response_format: "pcm" };
  session = new Session(model, player, request, by_id("format").value, view);
  say_status("Waiting for the first sound …");
  session.run();
  set_buttons();
  draw_on();
}

// Whole words are sent as they are typed; the one that is being typed can still be corrected.
function type(is_whole) {
  const box = by_id("live_text");
  const end = is_whole ? box.value.length : box.value.search(/\s\S*$/) + 1;
  const text = box.value.slice(0, end);
  box.value = box.value.slice(end);
  const is_typing = session?.is_live && session.is_open;
  if (text.trim() && !is_typing) start_typing();
  if (session?.is_open) {
    session.write(is_whole ? `${text} ` : text);
    by_id("live_said").textContent = session.utterance.text;
    if (is_whole) session.finish();
  }
}

function start_typing() {
  if (model === null) return;
  session?.stop();
  clips.stop();
  const { input, ...request } = form();
  session = new LiveSession(model, player, request, by_id("format").value, view);
  say_status("Listening to you type …");
  session.run();
  set_buttons();
  draw_on();
}

function form() {
  return {
    input: by_id("text").value,
    voice: by_id(model.is_any_voice ? "any_voice" : "voice").value.trim() || model.default,
    seed: Number(by_id("seed").value),
    speed: Number(by_id("speed").value),
  };
}

function show_snippet() {
  if (model === null) return;
  const request = { ...form(), model: model.model, response_format: by_id("format").value };
  const base = new URL(API, document.baseURI).href;
  by_id("snippet").textContent = SNIPPETS[language](request, base, has_token());
  for (const tab of by_id("languages").children) tab.setAttribute("aria-pressed", tab.textContent === language);
}

function make_tabs() {
  const tabs = Object.keys(SNIPPETS).map((name) => {
    const tab = Object.assign(document.createElement("button"), { type: "button", textContent: name });
    tab.addEventListener("click", () => {
      language = name;
      show_snippet();
    });
    return tab;
  });
  by_id("languages").replaceChildren(...tabs);
}

async function copy() {
  await navigator.clipboard.writeText(by_id("snippet").textContent);
  by_id("copy").textContent = "Copied";
  setTimeout(() => (by_id("copy").textContent = "Copy"), 1500);
}

async function hear_voice() {
  const { voice } = form();
  try {
    await preview.toggle(voice, model.languages[voice]);
  } catch (error) {
    say_status(error.message, true);
    if (error.needs_token) ask_for_token();
  }
}

function can_speak() {
  return model !== null && by_id("text").value.trim() !== "" && num_chars_left() >= 0;
}

function num_chars_left() {
  return (model?.max_chars ?? Infinity) - [...by_id("text").value].length;
}

function set_buttons() {
  const left = num_chars_left();
  by_id("chars_left").textContent = left < 0 ? `${-left} too many` : Number.isFinite(left) ? `${left} left` : "";
  by_id("chars_left").classList.toggle("is_bad", left < 0);
  by_id("speak").disabled = !can_speak();
  by_id("stop").disabled = !session?.is_live;
}

// Shown only after the service refused: not every service asks for one.
function ask_for_token() {
  by_id("token_form").hidden = false;
  by_id("token").value = "";
  by_id("token").focus();
  if (has_token()) say_status("The service refused this token.", true);
  else say_status("Give its token to go on.");
}

function use_token(event) {
  event.preventDefault();
  keep_token(by_id("token").value);
  by_id("token_form").hidden = true;
  show_snippet();
  if (model === null) load_model();
  else speak();
}

async function load_model() {
  try {
    model = await voices();
  } catch (error) {
    if (error.needs_token) ask_for_token();
    else say_status(error.message, true);
    return;
  }
  by_id("model").textContent = `${model.model}, ${model.sample_rate / 1000} kHz`;
  by_id("voice").hidden = model.is_any_voice;
  by_id("any_voice").hidden = !model.is_any_voice;
  by_id("any_voice").value = model.default;
  by_id("voice_label").htmlFor = model.is_any_voice ? "any_voice" : "voice";
  by_id("voice").replaceChildren(...model.voices.map((name) => new Option(name, name, false, name === model.default)));
  const formats = Object.keys(FORMATS).filter((name) => model.formats.includes(name));
  by_id("format").replaceChildren(...formats.map((name) => new Option(FORMATS[name], name)));
  by_id("preview").disabled = false;
  [by_id("speed").min, by_id("speed").max] = model.speeds;
  by_id("speed").disabled = model.speeds[0] === model.speeds[1];
  say_status("Ready.");
  set_buttons();
  show_snippet();
}

function wake() {
  const may_sound = navigator.userActivation?.hasBeenActive !== false;
  if (model !== null && may_sound) player.wake(model.sample_rate).catch(() => {});
}

function listen() {
  by_id("speak_form").addEventListener("submit", (event) => {
    event.preventDefault();
    speak();
  });
  by_id("live_form").addEventListener("submit", (event) => {
    event.preventDefault();
    type(true);
  });
  by_id("live_text").addEventListener("input", () => type(false));
  by_id("token_form").addEventListener("submit", use_token);
  by_id("stop").addEventListener("click", () => session?.stop());
  by_id("text").addEventListener("input", set_buttons);
  by_id("speak_form").addEventListener("input", show_snippet);
  by_id("preview").addEventListener("click", hear_voice);
  by_id("copy").addEventListener("click", () => copy().catch((error) => say_status(error.message, true)));
  document.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && !event.repeat) speak();
  });
  // After typing or pointing comes listening: the sound device runs by then.
  for (const kind of ["pointerdown", "keydown"]) document.addEventListener(kind, wake);
  new ResizeObserver(() => session && draw()).observe(by_id("timeline"));
}

make_tabs();
listen();
by_id("copy").hidden = !navigator.clipboard; // browsers give it to pages of this machine and of HTTPS alone
by_id("description").href = "openapi.json";
set_buttons();
load_model();
