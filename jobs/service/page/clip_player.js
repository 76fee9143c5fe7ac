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
