import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { MASK_KINDS, type MaskKind } from '../../src/core/mask.ts';
import type { Mask } from '../../src/core/verdict.ts';
import { postgresCellMask } from '../../src/masking/postgres.ts';
import { gives, renderMaskTable } from '../../src/masking/table.ts';
import { declaredCharacters, declaredPrecision, postgresType } from '../../src/masking/types.ts';
import { OIDS } from './oids.ts';

const document = readFileSync(new URL('../../docs/masking.md', import.meta.url), 'utf8');

/** A mask of each kind that could show something. */
const MASKS: Readonly<Record<MaskKind, Mask>> = {
  null: { kind: 'null' },
  default: { kind: 'default' },
  redact: { kind: 'redact' },
  full: { kind: 'full' },
  token: { kind: 'token' },
  round: { kind: 'round', digits: -1 },
  date_trunc: { kind: 'date_trunc', unit: 'year' },
  email: { kind: 'email' },
  partial: { kind: 'partial', keep_first: 0, keep_last: 1 },
};

test('the documented table is the one in the code', () => {
  expect(document).toContain(renderMaskTable());
});

test('NULL in the table is NULL at the client, and a constant is that constant', () => {
  for (const [name, oid] of Object.entries(OIDS)) {
    for (const kind of MASK_KINDS) {
      const cell = gives(postgresType(oid).class, kind);
      const masked = postgresCellMask(
        MASKS[kind],
        { typeOid: oid, typeModifier: -1, format: 0, column: 'c' },
        Buffer.alloc(32),
      )(Buffer.from('1'));
      if (cell.gives === 'null') expect([name, kind, masked]).toEqual([name, kind, null]);
      if (cell.gives === 'constant') expect([name, kind, masked?.toString()]).toEqual([name, kind, cell.text]);
    }
  }
});

test('every kind is explained', () => {
  for (const kind of MASK_KINDS) expect(document).toMatch(new RegExp(`^- \`${kind}[\`(]`, 'm'));
});

test('null is NULL in every type', () => {
  for (const oid of Object.values(OIDS)) expect(gives(postgresType(oid).class, 'null')).toEqual({ gives: 'null' });
});

test('a type modifier is read as its type writes it', () => {
  expect(declaredCharacters(postgresType(OIDS.varchar), 15)).toBe(11);
  expect(declaredCharacters(postgresType(OIDS.varchar), -1)).toBeNull();
  expect(declaredCharacters(postgresType(OIDS.text), 15)).toBeNull();
  expect(declaredPrecision(((10 << 16) | 2) + 4)).toEqual({ precision: 10, scale: 2 });
  expect(declaredPrecision(((3 << 16) | (-5 & 0x7ff)) + 4)).toEqual({ precision: 3, scale: -5 });
  expect(declaredPrecision(-1)).toBeNull();
});
