import type { EpochMs } from '../core/ids.ts';

export interface ThrottleRules {
  /** Attempts that may fail before the next one is slowed. */
  readonly burst: number;
  /** Failures that are forgotten each second. */
  readonly perSecond: number;
  readonly delay_ms_max: number;
  readonly buckets_max: number;
}

/**
 * Slows whoever fails, and locks nobody out: with a wait that has a limit, the real owner of a name gets in while somebody
 * else guesses at it. An attempt is charged when it begins and paid back when it succeeds, so that many at once count too.
 */
export class Throttle {
  readonly #rules: ThrottleRules;
  /** In the order of last use: the first is the one to forget. */
  readonly #buckets = new Map<string, { debt: number; at: EpochMs }>();

  constructor(rules: ThrottleRules) {
    this.#rules = rules;
  }

  /** Charges one attempt to each key and says how long it has to wait. */
  charge(keys: readonly string[], now: EpochMs): number {
    return Math.max(0, ...keys.map((key) => this.#charge(key, now)));
  }

  payBack(keys: readonly string[], now: EpochMs): void {
    for (const key of keys) {
      const debt = this.#debt(key, now) - 1;
      if (debt <= 0) this.#buckets.delete(key);
      else this.#put(key, debt, now);
    }
  }

  get size(): number {
    return this.#buckets.size;
  }

  #charge(key: string, now: EpochMs): number {
    const { burst, perSecond, delay_ms_max, buckets_max } = this.#rules;
    // A debt beyond what the longest wait pays for would only keep the wait long for longer.
    const debt = Math.min(this.#debt(key, now) + 1, burst + 1 + (perSecond * delay_ms_max) / 1_000);
    this.#put(key, debt, now);
    if (this.#buckets.size > buckets_max) this.#forgetOldest();
    return Math.min(delay_ms_max, Math.max(0, ((debt - burst) / perSecond) * 1_000));
  }

  #debt(key: string, now: EpochMs): number {
    const bucket = this.#buckets.get(key);
    if (bucket === undefined) return 0;
    const forgotten = (Math.max(0, now - bucket.at) / 1_000) * this.#rules.perSecond;
    return Math.max(0, bucket.debt - forgotten);
  }

  #put(key: string, debt: number, now: EpochMs): void {
    this.#buckets.delete(key);
    this.#buckets.set(key, { debt, at: now });
  }

  #forgetOldest(): void {
    for (const key of this.#buckets.keys()) {
      this.#buckets.delete(key);
      return;
    }
  }
}
