/** What befalls the appends to come, and the streams that are open. */
export interface Faults {
  /** So many of the next appends are lost on their way: not committed, never answered. */
  lostRequests: number;
  /** So many of the next appends are committed, and their answer is lost. */
  lostReplies: number;
  /** So many of the next appends are committed, and then their connection breaks. */
  brokenReplies: number;
  /** How long an append takes, in milliseconds. */
  appendTime: number;
  /** Ends all open calls, as a dying connection does. */
  breakConnections(): void;
}

/** How one append ends, once its turn has come. */
export type Fate = 'answered' | 'unanswered' | 'broken';

/** The calls that are open, and what is to go wrong with them. */
export class Mishaps implements Faults {
  lostRequests = 0;
  lostReplies = 0;
  brokenReplies = 0;
  appendTime = 0;
  readonly #open = new Set<() => void>();

  breakConnections(): void {
    for (const end of [...this.#open]) end();
  }

  /** Registers a call that {@link breakConnections} ends; returns how to take it off. */
  opened(end: () => void): () => void {
    this.#open.add(end);
    return () => this.#open.delete(end);
  }

  /** Carries an append out, unless it is lost, and says how its reply fares. */
  async befall<T>(commit: () => T): Promise<{ outcome: T; fate: Fate } | { fate: 'unanswered' }> {
    if (this.appendTime > 0) {
      await new Promise((resolve) => setTimeout(resolve, this.appendTime));
    }
    if (this.lostRequests > 0) {
      this.lostRequests--;
      return { fate: 'unanswered' };
    }
    const outcome = commit();
    return { outcome, fate: this.#fate() };
  }

  #fate(): Fate {
    if (this.lostReplies > 0) {
      this.lostReplies--;
      return 'unanswered';
    }
    if (this.brokenReplies > 0) {
      this.brokenReplies--;
      return 'broken';
    }
    return 'answered';
  }
}
