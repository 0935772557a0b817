// Follows the end of the conversation while it grows, but only for a reader who is at the end.

const kNear = 24;  // pixels from the end that count as being there

export class Follower {
  #scroller;
  #toEnd;
  #follows = true;
  #lastTop = 0;

  constructor(scroller, toEnd) {
    this.#scroller = scroller;
    this.#toEnd = toEnd;
    scroller.addEventListener('scroll', () => this.#scrolled(), { passive: true });
    toEnd.addEventListener('click', () => this.jump());
    new ResizeObserver(() => this.grown()).observe(scroller);
  }

  /** To the end, and stay there. */
  jump() {
    this.#follows = true;
    this.grown();
  }

  /** Call after the content changed. */
  grown() {
    if (this.#follows) {
      this.#scroller.scrollTop = this.#scroller.scrollHeight;
      this.#lastTop = this.#scroller.scrollTop;
    }
    this.#showButton();
  }

  #distance() {
    const { scrollHeight, scrollTop, clientHeight } = this.#scroller;
    return scrollHeight - scrollTop - clientHeight;
  }

  #scrolled() {
    const { scrollTop } = this.#scroller;
    if (this.#distance() <= 2) this.#follows = true;
    else if (scrollTop < this.#lastTop) this.#follows = false;
    else if (this.#distance() <= kNear) this.#follows = true;
    this.#lastTop = scrollTop;
    this.#showButton();
  }

  #showButton() {
    this.#toEnd.hidden = this.#follows || this.#distance() <= kNear;
  }
}
