// An utterance drawn: the waterfall until the first sound, and what arrived and what was in hand while it played.

const SVG = "http://www.w3.org/2000/svg";
const LANE = { chunks: [20, 38], heard: [60, 78], buffer: [100, 178] }; // pixels from the top
const GUTTER = { left: 112, right: 84 }; // as wide as the columns beside the waterfall
const HEIGHT = 206;

export function draw_waterfall(place, utterance, now_ms) {
  const stages = utterance.stages();
  const end_ms = utterance.ttfa_ms ?? now_ms;
  const scale = axis(Math.max(end_ms, 1), place.clientWidth < 420 ? 3 : 6);
  const list = html("ol", { className: "stages" });
  const marks = scale.ticks.map((at_ms) => placed("mark", at_ms / scale.end, 0, `${at_ms}`));
  marks.at(-1).append(" ms");
  list.append(row("scale", "", marks, ""));
  list.firstChild.setAttribute("aria-hidden", "true");
  for (const { name, title, from_ms, to_ms } of stages) {
    const bar = placed("bar", from_ms / scale.end, (to_ms - from_ms) / scale.end);
    bar.dataset.stage = name;
    const lines = scale.ticks.map((at_ms) => placed("gridline", at_ms / scale.end));
    list.append(row("", title, [...lines, bar], milliseconds(to_ms - from_ms)));
  }
  if (utterance.ttfa_ms !== null) list.append(row("total", "First sound", [], milliseconds(utterance.ttfa_ms)));
  if (utterance.lead_s > 0) list.append(row("quiet", "Silent lead-in", [], milliseconds(1000 * utterance.lead_s)));
  place.replaceChildren(list);
}

export function draw_timeline(place, utterance, now_ms, is_live) {
  const width = place.clientWidth;
  const view = { width, now_ms, is_wide: width >= 480 };
  const [left, right] = view.is_wide ? [GUTTER.left, width - GUTTER.right] : [1, width - 1];
  const planned_ms = (utterance.ttfa_ms ?? now_ms) + 1000 * utterance.made_s;
  const scale = axis(Math.max(now_ms, is_live ? planned_ms : 0, 100) / 1000, (right - left) / 70);
  view.x = (at_ms) => round(left + ((right - left) * at_ms) / 1000 / scale.end);
  const picture = svg("svg", { viewBox: `0 0 ${width} ${HEIGHT}`, height: HEIGHT, role: "img" });
  picture.setAttribute("aria-label", in_words(utterance));
  picture.append(...grid(scale, view), ...chunks(utterance, view), ...heard(utterance, view));
  picture.append(...buffer(utterance, view), ...dry(utterance, view));
  if (utterance.ttfa_ms !== null) picture.append(...upright("first", view.x(utterance.ttfa_ms)));
  if (is_live) picture.append(...upright("now", view.x(now_ms)));
  place.replaceChildren(picture);
}

function grid(scale, { x, width }) {
  return scale.ticks.flatMap((at_s) => {
    const at = x(1000 * at_s);
    const name = at_s === scale.ticks.at(-1) ? `${at_s} s` : `${at_s}`;
    const anchor = at < 8 ? "start" : at > width - 16 ? "end" : "middle";
    return [...upright("grid", at), words(at, HEIGHT - 8, name, anchor)];
  });
}

// What a lane is called, and its figure: beside it, or above where there is no room.
function names([top, bottom], title, number, { width, is_wide }) {
  if (!is_wide) return [words(0, top - 8, number ? `${title}: ${number}` : title)];
  const middle = (top + bottom) / 2 + 4;
  return [words(0, middle, title, "start", "name"), words(width, middle, number, "end", "figure")];
}

function chunks({ arrivals }, view) {
  const [y1, y2] = LANE.chunks;
  const ticks = arrivals.map(({ at_ms }) => {
    const x = view.x(at_ms);
    return svg("line", { class: "chunk", x1: x, x2: x, y1, y2 });
  });
  return [...names(LANE.chunks, "Received", `${arrivals.length}`, view), ...ticks];
}

// Which chunk is heard when: a chunk lies behind the one before it, and behind the silence where it was late.
function heard({ arrivals, plays, made_s }, view) {
  const [top, bottom] = LANE.heard;
  const blocks = [];
  let played_s = 0;
  for (const { from_ms, to_ms } of plays) {
    const lasts_s = to_ms === null ? Infinity : (to_ms - from_ms) / 1000;
    arrivals.forEach((arrival, k) => {
      const from_s = Math.max(k ? arrivals[k - 1].made_s : 0, played_s) - played_s;
      const to_s = Math.min(arrival.made_s - played_s, lasts_s);
      if (to_s <= from_s) return;
      const x = view.x(from_ms + 1000 * from_s);
      const width = round(Math.max(0.5, view.x(from_ms + 1000 * to_s) - x));
      blocks.push(svg("rect", { class: k % 2 ? "heard_b" : "heard_a", x, y: top, width, height: bottom - top }));
    });
    played_s += Math.min(lasts_s, made_s - played_s);
  }
  return [...names(LANE.heard, "Played", `${made_s.toFixed(1)} s`, view), ...blocks];
}

function buffer(utterance, view) {
  const [top, bottom] = LANE.buffer;
  const line = utterance.buffer_line(view.now_ms);
  const most_s = line.reduce((most, { buffered_s }) => Math.max(most, buffered_s), 0);
  const y = (buffered_s) => round(bottom - ((bottom - top) * buffered_s) / (most_s || 1));
  const corners = line.map(({ at_ms, buffered_s }) => `${view.x(at_ms)},${y(buffered_s)}`).join(" ");
  const points = `${view.x(0)},${bottom} ${corners} ${view.x(view.now_ms)},${bottom}`;
  const area = [svg("polygon", { class: "buffer", points }), svg("polyline", { class: "level", points: corners })];
  return [...names(LANE.buffer, "Buffered", `max ${most_s.toFixed(1)} s`, view), ...area];
}

function dry(utterance, { x, now_ms, is_wide }) {
  return utterance.dry_spans(now_ms).flatMap(({ from_ms, to_ms }, k) => {
    const [left, right] = [x(from_ms), x(to_ms)];
    const width = round(Math.max(1, right - left));
    const bands = Object.values(LANE).map(([y, bottom]) =>
      svg("rect", { class: "dry", x: left, y, width, height: bottom - y }),
    );
    const name = is_wide && k === 0 ? [words(left, LANE.chunks[0] - 6, "underrun", "middle", "dry_name")] : [];
    return [...bands, ...upright("dry_edge", left), ...name];
  });
}

function in_words({ arrivals, made_s, underruns, ttfa_ms }) {
  const first = ttfa_ms === null ? "no sound yet" : `first sound after ${milliseconds(ttfa_ms)}`;
  return `${arrivals.length} chunks, ${made_s.toFixed(1)} s of audio, ${first}, ${underruns} underruns`;
}

// Ticks at round numbers from 0, about so many; the axis ends a little behind `end`.
export function axis(end, num_ticks) {
  const rough = end / num_ticks;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((candidate) => candidate >= rough * (1 - 1e-9));
  const count = Math.floor((end * (1 + 1e-9)) / step);
  return { end: end * 1.03, ticks: Array.from({ length: count + 1 }, (_, k) => Number((k * step).toPrecision(6))) };
}

export function milliseconds(ms) {
  return ms < 9.95 ? `${ms.toFixed(1)} ms` : ms < 9_995 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`;
}

function row(className, title, track, number) {
  const item = html("li", { className });
  item.append(html("span", { textContent: title }));
  const middle = html("span", { className: "track" });
  middle.append(...track);
  item.append(middle, html("span", { className: "number", textContent: number }));
  return item;
}

// A part of a track, by shares of its width.
function placed(className, from, share = 0, textContent = "") {
  const part = html("span", { className, textContent });
  part.style.left = `${round(100 * from)}%`;
  if (share) part.style.width = `${round(100 * share)}%`;
  return part;
}

// A line through all lanes, not through what is written between them.
function upright(name, x) {
  return Object.values(LANE).map(([y1, y2]) => svg("line", { class: name, x1: x, x2: x, y1, y2 }));
}

function words(x, y, text, anchor = "start", name = "") {
  const element = svg("text", { x, y, "text-anchor": anchor, class: name });
  element.textContent = text;
  return element;
}

function html(tag, properties) {
  return Object.assign(document.createElement(tag), properties);
}

function svg(tag, attributes) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}

function round(number) {
  return Math.round(100 * number) / 100;
}
