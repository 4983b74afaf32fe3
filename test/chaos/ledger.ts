/**
 * What the answers promise of a token: it is good; its revocation was asked for, or promised; or a
 * request about it had no answer, and either may be so.
 */
export type Standing = 'good' | 'ending' | 'ended' | 'unsure';

/** What was acknowledged, and what contradicts it. */
export class Ledger {
  /** Each a sentence: a promise that was not kept. */
  readonly violations: string[] = [];
  /** Acknowledged requests by kind. */
  readonly operations: Record<string, number> = {};
  /** Acknowledged requests by node. */
  readonly answers: number[] = [];
  /** Requests that nobody answered, and those that were answered with 503. */
  readonly failures = { unanswered: 0, unavailable: 0 };
  readonly #standings = new Map<string, Standing>();

  acknowledged(kind: string): void {
    this.operations[kind] = (this.operations[kind] ?? 0) + 1;
  }

  answered(node: number): void {
    this.answers[node] = (this.answers[node] ?? 0) + 1;
  }

  get tokens(): readonly string[] {
    return [...this.#standings.keys()];
  }

  standing(token: string): Standing | undefined {
    return this.#standings.get(token);
  }

  set(token: string, standing: Standing): void {
    this.#standings.set(token, standing);
  }

  /** An answer about a token, and what was promised of it when it was asked for. */
  seen(token: string, before: Standing | undefined, active: boolean, where: string): void {
    const now = this.standing(token);
    if (before === 'good' && now === 'good' && !active) {
      this.violated(`an acknowledged token is not active ${where}`);
    }
    if (before === 'ended' && active) {
      this.violated(`a token is active after its end was acknowledged, ${where}`);
    }
  }

  violated(what: string): void {
    this.violations.push(`${new Date().toISOString()} ${what}`);
  }
}
