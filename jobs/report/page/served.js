
// All rows, a page at a time, as the server finds them.
const form = document.getElementById("find");
const rows = document.getElementById("rows");
const more = document.getElementById("more");
const found = document.getElementById("found");
let next = "";
let asked = 0;

function element(name, text, className) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  if (className) made.className = className;
  return made;
}

function words(row) {
  const line = element("span", undefined, "words");
  for (const [text, begin, end] of row.heard) {
    if (begin === null) {
      line.append(text);
      continue;
    }
    const word = element("span", text);
    word.dataset.begin = begin;
    word.dataset.end = end;
    line.append(word);
  }
  return line;
}

function cardOf(row) {
  const card = element("li", undefined, "card");
  const head = element("div", undefined, "head");
  head.append(element("h3", row.id));
  card.append(head);
  if (row.clip) {
    const audio = element("audio");
    audio.controls = true;
    audio.preload = "none";
    audio.src = row.clip;
    audio.setAttribute("aria-label", `Clip of ${row.id}`);
    audio.addEventListener("error", async () => {
      const answer = await fetch(row.clip).catch(() => null);
      const told = answer && !answer.ok ? await answer.text() : "The clip cannot be played here.";
      audio.after(element("p", told, "error"));
    }, { once: true });
    card.append(audio);
  }
  if (row.error) card.append(element("p", row.error, "error"));
  const texts = element("dl", undefined, "texts");
  for (const [name, text] of [["text", row.text], ["as spoken", row.spoken]]) {
    if (!text) continue;
    const shown = element("dd");
    const isSpoken = name === "as spoken" || !row.spoken;
    shown.append(isSpoken && row.heard.length ? words(row) : text);
    if (text.length > 240) shown.tabIndex = 0;
    texts.append(element("dt", name), shown);
  }
  card.append(texts);
  const facts = element("ul", undefined, "facts");
  for (const fact of row.facts) facts.append(element("li", fact));
  card.append(facts);
  return card;
}

async function show(after) {
  const mine = ++asked;
  const query = new URLSearchParams(new FormData(form));
  query.set("after", after);
  more.disabled = true;
  found.textContent = "Searching …";
  try {
    const answer = await fetch(`rows?${query}`);
    if (mine !== asked) return;
    if (!answer.ok) throw new Error(await answer.text());
    const page = await answer.json();
    if (!after) rows.replaceChildren();
    rows.append(...page.rows.map(cardOf));
    next = page.next;
    const count = rows.childElementCount;
    const nothing = `; ${page.searched} more rows searched, nothing found in them`;
    const where = page.next ? (page.rows.length ? ", and maybe more" : nothing) : "; that is all";
    const unread = page.unread.length ? `; some cannot be read: ${page.unread[0]}` : "";
    found.textContent = `${count} ${count === 1 ? "row" : "rows"}${where}${unread}`;
    more.hidden = !page.next;
    more.textContent = page.rows.length ? "Show more" : "Search further";
  } catch (error) {
    if (mine === asked) found.textContent = String(error.message || error);
  } finally {
    more.disabled = false;
  }
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  show("");
});
more.addEventListener("click", () => show(next));
show("");
