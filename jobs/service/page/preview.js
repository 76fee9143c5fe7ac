// Voices on trial: a sentence in the language of the voice, asked of the service once and kept.

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
