import { z } from 'zod';
import { LIMITS, type Limits } from '../core/limits.ts';

const WEEK_MS = 7 * 24 * 3_600_000;
const GIB = 1024 ** 3;
const LIMIT_RANGES: Readonly<Record<string, readonly [number, number]>> = {
  write_stall_ms: [0, WEEK_MS],
  drain_ms: [0, 3_600_000],
  handshake_ms: [100, 300_000],
  startup_bytes_max: [64, 10_000],
  password_bytes_max: [64, 65_535],
  message_bytes_max: [1024, GIB - 1],
  target_message_bytes_max: [1024, GIB - 1],
  columns_max: [1, LIMITS.columns_max],
  statement_nesting_max: [1, LIMITS.statement_nesting_max],
  statement_bytes_max: [1024, 64 * 1024 ** 2],
  sealed_field_bytes_max: [1024, LIMITS.sealed_field_bytes_max],
  policy_nesting_max: [1, LIMITS.policy_nesting_max],
  entry_bytes_max: [4096, LIMITS.entry_bytes_max],
  hold_notice_ms: [1_000, 600_000],
  reserve_bytes: [1024 ** 2, 64 * GIB],
  request_body_bytes_max: [1024, 64 * 1024 ** 2],
} satisfies Partial<Record<keyof Limits, readonly [number, number]>>;

/** Every limit by its name. What protects the engine or a format can be lowered, not raised. */
export const limitsSection = z.strictObject(
  Object.fromEntries(
    Object.entries(LIMITS).map(([name, value]) => {
      const [least, most] = LIMIT_RANGES[name] ?? rangeOf(name, value);
      return [name, z.number().int().min(least).max(most).optional().describe(`Default ${value}.`)];
    }),
  ),
);

function rangeOf(name: string, value: number): readonly [number, number] {
  if (name.endsWith('_ms')) return [1, WEEK_MS];
  return [1, Math.min(value * 1000, Number.MAX_SAFE_INTEGER)];
}
