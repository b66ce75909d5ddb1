import type { Mask } from '../core/verdict.ts';
import type { CellMask, CellType } from '../protocols/protocol.ts';
import {
  type DateUnit,
  truncateDateBinary,
  truncateDateText,
  truncateTimestampBinary,
  truncateTimestampText,
  truncateTimestamptzText,
} from './calendar.ts';
import { countCharacters, emailText, partialText, withoutPadding } from './characters.ts';
import { encodeConstant, fitText } from './constants.ts';
import { roundFloat, roundInteger, roundNumeric } from './numbers.ts';
import { FULL, gives } from './table.ts';
import { columnDigest, tokenMask } from './tokens.ts';
import { declaredCharacters, type PostgresType, postgresType } from './types.ts';

/**
 * How to mask the values of one result column: a value of the column's type and format for each value, or NULL where the
 * type cannot say what the kind wants. Compiled once for a column and called for every cell; constants are encoded
 * here, and a cell of which the compiled mask can make nothing becomes NULL, never an exception and never the value.
 */
export function postgresCellMask(mask: Mask, cell: CellType, tokenKey: Buffer): CellMask {
  const type = postgresType(cell.typeOid);
  const given = gives(type.class, mask.kind);
  if (given.gives === 'null' || (cell.format !== 0 && cell.format !== 1)) return toNull;
  const binary = cell.format === 1;
  if (given.gives === 'constant') return always(encodeConstant(type, given.text, cell.typeModifier, binary));
  switch (mask.kind) {
    case 'token':
      return tokenMask(type, cell.typeModifier, binary, columnDigest(tokenKey, cell.column)) ?? toNull;
    case 'round':
      return roundMask(type, mask.digits, cell.typeModifier, binary) ?? toNull;
    case 'date_trunc':
      return truncateMask(type, mask.unit, binary) ?? toNull;
    case 'email':
    case 'partial':
      return textMask(mask, type, cell.typeModifier);
    default:
      return toNull;
  }
}

function always(value: Buffer | null): CellMask {
  return () => value;
}

function toNull(): null {
  return null;
}

function roundMask(type: PostgresType, digits: number, modifier: number, binary: boolean): CellMask | null {
  if (type.class === 'integer') return roundInteger(type.name, digits, binary);
  if (type.class === 'numeric') return roundNumeric(digits, modifier, binary);
  if (type.class === 'float') return roundFloat(type.name, digits, binary);
  return null;
}

function truncateMask(type: PostgresType, unit: DateUnit, binary: boolean): CellMask | null {
  switch (type.class) {
    case 'date':
      // A day truncated to its day is the value itself.
      if (unit === 'day') return null;
      return binary ? (value) => truncateDateBinary(value, unit) : (value) => truncateDateText(value, unit);
    case 'timestamp':
      return binary ? (value) => truncateTimestampBinary(value, unit) : (value) => truncateTimestampText(value, unit);
    case 'timestamptz':
      return binary ? (value) => truncateTimestampBinary(value, unit) : (value) => truncateTimestamptzText(value, unit);
    default:
      return null;
  }
}

/** Text is the same bytes in both formats (textsend). */
function textMask(mask: Mask & { kind: 'email' | 'partial' }, type: PostgresType, modifier: number): CellMask {
  const whole = Buffer.from(fitText(FULL, type, modifier));
  const declared = declaredCharacters(type, modifier);
  const change = mask.kind === 'email' ? emailText(whole) : partialText(mask.keep_first, mask.keep_last, whole);
  if (type.name === 'bpchar') {
    return (value) => {
      const masked = change(withoutPadding(value));
      if (masked === whole || declared === null) return masked;
      const padding = declared - countCharacters(masked);
      return padding < 0 ? whole : Buffer.concat([masked, Buffer.alloc(padding, ' ')]);
    };
  }
  // Only `email` can come out longer than it went in: three stars for two characters.
  if (mask.kind === 'email' && type.name === 'name') return (value) => atMost(change(value), NAME_BYTES_MAX, whole);
  if (mask.kind === 'email' && declared !== null) {
    return (value) => {
      const masked = change(value);
      return countCharacters(masked) > declared ? whole : masked;
    };
  }
  return change;
}

function atMost(masked: Buffer, bytes_max: number, whole: Buffer): Buffer {
  return masked.length > bytes_max ? whole : masked;
}

/** NAMEDATALEN - 1 (pg_config_manual.h). */
const NAME_BYTES_MAX = 63;
