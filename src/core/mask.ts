import { GatewayError } from './errors.ts';
import type { Mask } from './verdict.ts';

export type MaskKind = Mask['kind'];

/** From the strictest to the mildest; `round` and `date_trunc` are equally strict. */
export const MASK_KINDS: readonly MaskKind[] = [
  'null',
  'default',
  'redact',
  'full',
  'token',
  'round',
  'date_trunc',
  'email',
  'partial',
];

/** Reads a mask as policies spell it: `full`, `partial(0,4)`, `date_trunc(month)`, `round(-3)`. */
export function parseMask(spelling: string): Mask {
  const parts = /^\s*([a-z_]+)\s*(?:\(([^()]*)\))?\s*$/.exec(spelling);
  if (parts === null) throw invalid(spelling, `${EXPECTED}`);
  const kind = parts[1] ?? '';
  const given = parts[2]?.split(',').map((argument) => argument.trim());
  switch (kind) {
    case 'null':
    case 'default':
    case 'redact':
    case 'full':
    case 'token':
    case 'email':
      if (given !== undefined) throw invalid(spelling, `${kind} takes no arguments`);
      return { kind };
    case 'round':
      if (given?.length !== 1) throw invalid(spelling, 'round takes one argument: the digits to keep, as round(2)');
      return { kind, digits: whole(spelling, given[0], -ROUND_DIGITS_MAX, ROUND_DIGITS_MAX) };
    case 'date_trunc':
      if (given?.length !== 1) throw invalid(spelling, 'date_trunc takes one argument: year, month or day');
      return { kind, unit: unitOf(spelling, given[0]) };
    case 'partial': {
      if (given?.length !== 2) throw invalid(spelling, 'partial takes two arguments: characters kept, as partial(0,4)');
      const keep_first = whole(spelling, given[0], 0, KEEP_MAX);
      const keep_last = whole(spelling, given[1], 0, KEEP_MAX);
      return { kind, keep_first, keep_last };
    }
    default:
      throw invalid(spelling, EXPECTED);
  }
}

/** The spelling that `parseMask` reads back as the same mask. */
export function printMask(mask: Mask): string {
  switch (mask.kind) {
    case 'round':
      return `round(${mask.digits})`;
    case 'date_trunc':
      return `date_trunc(${mask.unit})`;
    case 'partial':
      return `partial(${mask.keep_first},${mask.keep_last})`;
    default:
      return mask.kind;
  }
}

/**
 * What holds where several masks meet on one column: something at least as strict as each of them. The order of the list
 * does not matter. No mask at all is `null`: whoever asks has a reason to mask.
 */
export function strictest(masks: readonly Mask[]): Mask {
  const rank = Math.min(...masks.map((mask) => RANKS[mask.kind]));
  const [first, ...rest] = masks.filter((mask) => RANKS[mask.kind] === rank);
  return first === undefined ? { kind: 'null' } : rest.reduce(stricter, first);
}

/** Of two that are equally strict by kind, what their parameters leave to both. */
function stricter(one: Mask, other: Mask): Mask {
  if (one.kind === 'partial' && other.kind === 'partial') {
    return {
      kind: 'partial',
      keep_first: Math.min(one.keep_first, other.keep_first),
      keep_last: Math.min(one.keep_last, other.keep_last),
    };
  }
  if (one.kind === 'round' && other.kind === 'round') return one.digits <= other.digits ? one : other;
  if (one.kind === 'date_trunc' && other.kind === 'date_trunc') {
    return UNITS.indexOf(one.unit) <= UNITS.indexOf(other.unit) ? one : other;
  }
  // No type has both a round and a date_trunc. Where one of them shows something `full` shows nothing.
  return one.kind === other.kind ? one : { kind: 'full' };
}

function unitOf(spelling: string, argument: string | undefined): (typeof UNITS)[number] {
  const unit = UNITS.find((known) => known === argument);
  if (unit === undefined) throw invalid(spelling, `date_trunc takes year, month or day, not "${argument ?? ''}"`);
  return unit;
}

function whole(spelling: string, argument: string | undefined, from: number, to: number): number {
  const value = argument !== undefined && /^-?\d{1,3}$/.test(argument) ? Number(argument) : Number.NaN;
  if (!(value >= from && value <= to)) {
    throw invalid(spelling, `"${argument ?? ''}" is not a whole number from ${from} to ${to}`);
  }
  // `-0` reads as a number of its own in comparisons by identity.
  return value === 0 ? 0 : value;
}

function invalid(spelling: string, why: string): GatewayError {
  return new GatewayError('CONFIG_INVALID', `mask ${JSON.stringify(spelling.slice(0, 100))}: ${why}`, { why });
}

const UNITS = ['year', 'month', 'day'] as const;
const KEEP_MAX = 64;
const ROUND_DIGITS_MAX = 18;
const EXPECTED = `expected one of null, default, redact, full, token, round(N), date_trunc(UNIT), email, partial(N,N)`;

const RANKS: Readonly<Record<MaskKind, number>> = {
  null: 0,
  default: 1,
  redact: 2,
  full: 3,
  token: 4,
  round: 5,
  date_trunc: 5,
  email: 6,
  partial: 7,
};
