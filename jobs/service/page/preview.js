// Finished clips, and voices on trial: a sentence in the language of the voice, asked of the service once and kept.

import { speech } from "./service.js";

const SENTENCES = {
  en: "Good morning. This is how I sound when I read to you.",
  es: "Buenos días. Así suena mi voz cuando leo.",
  fr: "Bonjour. Voici ma voix quand je lis.",
  hi: "नमस्ते। पढ़ते समय मेरी आवाज़ ऐसी होती है।",
  it: "Buongiorno. Questa è la mia voce quando leggo.",
  ja: "おはようございます。これが私の声です。",
  pt: "Bom dia. Esta é a minha voz quando leio.",
  zh: "早上好。这就是我朗读时的声音。",
};

export class Preview {
  #button;
  #clips;
  #urls = new Map(); // of clips, by voice

  // button: plays and stops; clips: a ClipPlayer.
  constructor(button, clips) {
    this.#button = button;
    this.#clips = clips;
  }

  // Play a voice, or stop it if it plays. Raises ServiceError.
  async toggle(voice, language) {
    const known = this.#urls.get(voice);
    if (known !== undefined && this.#clips.is_playing(known)) return this.#clips.stop();
    this.#button.classList.add("is_busy");
    try {
      const url = known ?? (await ask(voice, language));
      this.#urls.set(voice, url);
      this.#button.classList.add("is_playing");
      await this.#clips.play(url, { progress() {}, ended: () => this.#button.classList.remove("is_playing") });
    } finally {
      this.#button.classList.remove("is_busy");
    }
  }
}

export function sentence_of(language) {
  return SENTENCES[(language ?? "en").toLowerCase().split(/[-_]/)[0]] ?? SENTENCES.en;
}

async function ask(voice, language) {
  const response = await speech({ input: sentence_of(language), voice, response_format: "wav" });
  return URL.createObjectURL(await response.blob());
}

// Plays finished clips, one at a time: utterances of the history and voices on trial.
export class ClipPlayer {
  #audio = new Audio();
  #url = null;
  #view = null;
  #before_play;

  // before_play(): called before a clip sounds, to end any other sound.
  constructor(before_play) {
    this.#before_play = before_play;
    this.#audio.addEventListener("ended", () => this.stop());
    this.#audio.addEventListener("error", () => this.#url !== null && this.stop());
  }

  // Play the clip at an address, from a share of its length on. view: progress(share) while it plays, ended() once.
  async play(url, view, from = 0) {
    if (url !== this.#url) {
      this.stop();
      this.#before_play();
      this.#audio.src = url;
      [this.#url, this.#view] = [url, view];
    }
    try {
      await this.#audio.play();
      if (from > 0 && Number.isFinite(this.#audio.duration)) this.#audio.currentTime = from * this.#audio.duration;
      this.#follow();
    } catch (error) {
      if (error.name === "AbortError") return; // another clip took its turn
      this.stop();
      throw error;
    }
  }

  is_playing(url) {
    return this.#url === url;
  }

  stop() {
    const view = this.#view;
    [this.#url, this.#view] = [null, null];
    this.#audio.pause();
    view?.ended();
  }

  #follow() {
    const view = this.#view;
    if (view === null) return;
    if (this.#audio.duration > 0) view.progress(this.#audio.currentTime / this.#audio.duration);
    requestAnimationFrame(() => this.#view === view && this.#follow());
  }
}
