/** A pause that can be cut short, also before it has begun. */
export class Wake {
  #awake = false;
  #wake = () => {};

  constructor(private readonly signal: AbortSignal) {
    signal.addEventListener('abort', () => this.up(), { once: true });
  }

  up(): void {
    this.#awake = true;
    this.#wake();
  }

  async in(ms: number): Promise<void> {
    if (!this.#awake && !this.signal.aborted) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, ms);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    this.#awake = false;
  }
}
