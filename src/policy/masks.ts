import type { Mask } from '../core/verdict.ts';

/** Reads `partial(0,4)`, `round(-2)`, `date_trunc(month)`, `full`, …; `null` when it is none of them. */
export function parseMask(text: string): Mask | null {
  const match = /^([a-z_]+)(?:\(([^()]*)\))?$/.exec(text);
  if (match === null) return null;
  const kind = match[1] ?? '';
  const arguments_ = match[2] === undefined ? [] : match[2].split(',').map((part) => part.trim());
  if (match[2] === undefined) return plainMask(kind);
  if (kind === 'partial') return parsePartial(arguments_);
  if (kind === 'round') return parseRound(arguments_);
  if (kind === 'date_trunc') return parseDateTrunc(arguments_);
  return null;
}

export function maskText(mask: Mask): string {
  if (mask.kind === 'partial') return `partial(${mask.keep_first},${mask.keep_last})`;
  if (mask.kind === 'round') return `round(${mask.digits})`;
  if (mask.kind === 'date_trunc') return `date_trunc(${mask.unit})`;
  return mask.kind;
}

/**
 * The mask that shows no more than either. Two of different kinds: the stricter. Two of one kind: what both agree to show.
 * `round` and `date_trunc` cannot be compared, and what neither may show is shown by neither: `full`.
 */
export function stricterMask(one: Mask, other: Mask): Mask {
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
  const difference = rank(one) - rank(other);
  if (difference === 0 && one.kind !== other.kind) return { kind: 'full' };
  return difference <= 0 ? one : other;
}

export const MASK_FORMS =
  'null, default, redact, full, token, round(DIGITS), date_trunc(year|month|day), email, partial(FIRST,LAST)';

function plainMask(kind: string): Mask | null {
  switch (kind) {
    case 'null':
    case 'default':
    case 'redact':
    case 'full':
    case 'token':
    case 'email':
      return { kind };
    default:
      return null;
  }
}

function parsePartial(arguments_: readonly string[]): Mask | null {
  const [first, last] = arguments_;
  if (arguments_.length !== 2 || first === undefined || last === undefined) return null;
  if (!/^\d{1,2}$/.test(first) || !/^\d{1,2}$/.test(last)) return null;
  return { kind: 'partial', keep_first: Number(first), keep_last: Number(last) };
}

function parseRound(arguments_: readonly string[]): Mask | null {
  const [digits] = arguments_;
  if (arguments_.length !== 1 || digits === undefined || !/^-?\d{1,2}$/.test(digits)) return null;
  return { kind: 'round', digits: Number(digits) + 0 };
}

function parseDateTrunc(arguments_: readonly string[]): Mask | null {
  const [unit] = arguments_;
  if (arguments_.length !== 1) return null;
  return unit === 'year' || unit === 'month' || unit === 'day' ? { kind: 'date_trunc', unit } : null;
}

/** The strictest has the lowest rank. */
function rank(mask: Mask): number {
  if (mask.kind === 'date_trunc') return ORDER.indexOf('round');
  return ORDER.indexOf(mask.kind);
}

const ORDER = ['null', 'default', 'redact', 'full', 'token', 'round', 'email', 'partial'];
const UNITS = ['year', 'month', 'day'];
