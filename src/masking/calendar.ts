/** `date_trunc` on what the server sends. Every function gives `null` for what it does not understand. */
export type DateUnit = 'year' | 'month' | 'day';

/** date, text: only ISO is unambiguous, so another DateStyle gives NULL. */
export function truncateDateText(value: Buffer, unit: DateUnit): Buffer | null {
  if (isInfinite(value)) return value;
  const parts = DATE.exec(value.toString('latin1', 0, TEXT_BYTES_MAX));
  const days = parts === null ? null : truncateDays(daysOf(parts), unit);
  return days === null ? null : Buffer.from(printDate(days, ''));
}

/** date, binary: days since 2000-01-01; the two ends of int32 are the infinities. */
export function truncateDateBinary(value: Buffer, unit: DateUnit): Buffer | null {
  if (value.length !== 4) return null;
  const days = value.readInt32BE(0);
  if (days === INT32_MIN || days === INT32_MAX) return value;
  const truncated = truncateDays(days, unit);
  if (truncated === null) return null;
  const bytes = Buffer.allocUnsafe(4);
  bytes.writeInt32BE(truncated);
  return bytes;
}

export function truncateTimestampText(value: Buffer, unit: DateUnit): Buffer | null {
  if (isInfinite(value)) return value;
  const parts = TIMESTAMP.exec(value.toString('latin1', 0, TEXT_BYTES_MAX));
  const days = parts === null ? null : truncateDays(daysOf(parts), unit);
  return days === null ? null : Buffer.from(printDate(days, ' 00:00:00'));
}

/** Truncated in UTC: an offset that is kept would tell summer from winter. */
export function truncateTimestamptzText(value: Buffer, unit: DateUnit): Buffer | null {
  if (isInfinite(value)) return value;
  const parts = TIMESTAMPTZ.exec(value.toString('latin1', 0, TEXT_BYTES_MAX));
  if (parts === null) return null;
  const seconds = clockSeconds(parts[5], parts[6], parts[7]);
  const offset_s = clockSeconds(parts[9], parts[10], parts[11]) * (parts[8] === '-' ? -1 : 1);
  const days = truncateDays(daysOf(parts) + Math.floor((seconds - offset_s) / DAY_S), unit);
  return days === null ? null : Buffer.from(printDate(days, ' 00:00:00+00'));
}

/**
 * timestamp and timestamptz, binary: microseconds since 2000-01-01 as int64; the two ends are the infinities. A day is
 * 86,400,000,000 = 2^13 × 10,546,875 microseconds, so shifting by 13 bits first keeps everything below 2^53.
 */
export function truncateTimestampBinary(value: Buffer, unit: DateUnit): Buffer | null {
  if (value.length !== 8) return null;
  const high = value.readInt32BE(0);
  const low = value.readUInt32BE(4);
  if ((high === INT32_MAX && low === UINT32_MAX) || (high === INT32_MIN && low === 0)) return value;
  const days = truncateDays(Math.floor((high * 2 ** 19 + (low >>> 13)) / DAY_SHIFTED), unit);
  if (days === null) return null;
  const shifted = days * DAY_SHIFTED;
  const bytes = Buffer.allocUnsafe(8);
  bytes.writeInt32BE(Math.floor(shifted / 2 ** 19), 0);
  bytes.writeUInt32BE((shifted - Math.floor(shifted / 2 ** 19) * 2 ** 19) * 2 ** 13, 4);
  return bytes;
}

/** The first day of the unit, in days since 2000-01-01; `null` before the first day PostgreSQL has. */
export function truncateDays(days: number, unit: DateUnit): number | null {
  if (unit === 'day') return days;
  const civil = civilOf(days);
  const truncated = daysFromCivil(civil.year, unit === 'year' ? 1 : civil.month, 1);
  return truncated < FIRST_DAY ? null : truncated;
}

/** Year 0 is 1 BC. The calendar is counted from a first of March, so that leap days come last. */
export function daysFromCivil(year: number, month: number, day: number): number {
  const shiftedYear = month <= 2 ? year - 1 : year;
  const era = Math.floor(shiftedYear / 400);
  const yearOfEra = shiftedYear - era * 400;
  const dayOfYear = Math.floor((153 * ((month + 9) % 12) + 2) / 5) + day - 1;
  const dayOfEra = yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear;
  return era * ERA_DAYS + dayOfEra - MARCH_0000;
}

export function civilOf(days: number): { readonly year: number; readonly month: number; readonly day: number } {
  const shifted = days + MARCH_0000;
  const era = Math.floor(shifted / ERA_DAYS);
  const dayOfEra = shifted - era * ERA_DAYS;
  const yearOfEra = Math.floor(
    (dayOfEra - Math.floor(dayOfEra / 1460) + Math.floor(dayOfEra / 36_524) - Math.floor(dayOfEra / 146_096)) / 365,
  );
  const dayOfYear = dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100));
  const monthFromMarch = Math.floor((5 * dayOfYear + 2) / 153);
  const month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9;
  const day = dayOfYear - Math.floor((153 * monthFromMarch + 2) / 5) + 1;
  return { year: yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, day };
}

function daysOf(parts: RegExpExecArray): number {
  const year = Number(parts[1]);
  const isBefore = parts.groups?.bc !== undefined;
  return daysFromCivil(isBefore ? 1 - year : year, Number(parts[2]), Number(parts[3]));
}

function printDate(days: number, time: string): string {
  const { year, month, day } = civilOf(days);
  const shown = year > 0 ? year : 1 - year;
  return `${pad(shown, 4)}-${pad(month, 2)}-${pad(day, 2)}${time}${year > 0 ? '' : ' BC'}`;
}

function pad(value: number, width: number): string {
  return String(value).padStart(width, '0');
}

function clockSeconds(hours: string | undefined, minutes: string | undefined, seconds: string | undefined): number {
  return Number(hours ?? 0) * 3600 + Number(minutes ?? 0) * 60 + Number(seconds ?? 0);
}

function isInfinite(value: Buffer): boolean {
  return value.equals(INFINITY) || value.equals(MINUS_INFINITY);
}

const INFINITY = Buffer.from('infinity');
const MINUS_INFINITY = Buffer.from('-infinity');
const TEXT_BYTES_MAX = 64;
const DATE = /^(\d{4,7})-(\d\d)-(\d\d)(?<bc> BC)?$/;
const TIMESTAMP = /^(\d{4,7})-(\d\d)-(\d\d) \d\d:\d\d:\d\d(?:\.\d{1,6})?(?<bc> BC)?$/;
const TIMESTAMPTZ =
  /^(\d{4,7})-(\d\d)-(\d\d) ((\d\d):(\d\d):(\d\d)(?:\.\d{1,6})?)([+-])(\d\d)(?::(\d\d)(?::(\d\d))?)?(?<bc> BC)?$/;
const DAY_S = 86_400;
const DAY_SHIFTED = 10_546_875;
const ERA_DAYS = 146_097;
/** Days from 0000-03-01 to 2000-01-01. */
const MARCH_0000 = 730_425;
/** 4714-11-24 BC, day 0 of the Julian calendar, where PostgreSQL's dates begin (datatype-datetime). */
const FIRST_DAY = -2_451_545;
const INT32_MIN = -(2 ** 31);
const INT32_MAX = 2 ** 31 - 1;
const UINT32_MAX = 2 ** 32 - 1;
