"use strict";
// Filters the cards, plays one clip at a time, and marks the word that is heard.

const cards = [...document.querySelectorAll("#clips .card")];
const buttons = [...document.querySelectorAll("[data-group]")];
const search = document.getElementById("search");
const all = document.getElementById("show-all");
let group = "";
let isShort = cards.length > 9;

function filter() {
  const wanted = (search?.value ?? "").trim().toLowerCase();
  let count = 0;
  for (const card of cards) {
    const inGroup = !group || card.dataset.groups.split("|").includes(group);
    const isWanted = inGroup && card.dataset.search.includes(wanted);
    count += isWanted;
    card.hidden = !isWanted || (isShort && count > 9);
  }
  if (all) {
    all.hidden = !isShort || count <= 9;
    all.textContent = `Show all ${count}`;
  }
  const shown = document.getElementById("shown");
  if (shown) shown.textContent = count === cards.length ? "" : `${count} of ${cards.length} rows`;
}

for (const button of buttons) {
  button.addEventListener("click", () => {
    group = button.dataset.group;
    for (const other of buttons) other.setAttribute("aria-pressed", String(other === button));
    filter();
  });
}
search?.addEventListener("input", filter);
all?.addEventListener("click", () => {
  isShort = false;
  filter();
  cards.filter((card) => !card.hidden)[9]?.querySelector("audio")?.focus();
});
filter();

document.addEventListener("play", (event) => {
  for (const audio of document.querySelectorAll("audio")) {
    if (audio !== event.target) audio.pause();
  }
}, true);

document.addEventListener("timeupdate", (event) => {
  const now = event.target.currentTime;
  for (const word of event.target.closest(".card")?.querySelectorAll(".words > span") ?? []) {
    word.classList.toggle("is_now", now >= Number(word.dataset.begin) && now < Number(word.dataset.end));
  }
}, true);
