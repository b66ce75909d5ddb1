/** One bucket of requests for each address: so many a second, twice as many at once. */
export interface RateLimit {
  /** Whether one more may pass at this moment. */
  take(address: string, now_ms: number): boolean;
}

export function createRateLimit(per_second: number): RateLimit {
  const buckets = new Map<string, { tokens: number; at_ms: number }>();
  const full = per_second * 2;
  return {
    take(address, now_ms) {
      const bucket = buckets.get(address) ?? { tokens: full, at_ms: now_ms };
      const elapsed_ms = Math.max(0, now_ms - bucket.at_ms);
      bucket.tokens = Math.min(full, bucket.tokens + (elapsed_ms / 1000) * per_second);
      bucket.at_ms = now_ms;
      // The least recently seen address stands first and is forgotten first: its bucket is the fullest.
      buckets.delete(address);
      buckets.set(address, bucket);
      if (buckets.size > ADDRESSES_MAX) {
        for (const oldest of buckets.keys()) {
          buckets.delete(oldest);
          break;
        }
      }
      if (bucket.tokens < 1) return false;
      bucket.tokens -= 1;
      return true;
    },
  };
}

const ADDRESSES_MAX = 10_000;
