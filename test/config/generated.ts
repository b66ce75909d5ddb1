import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';

/** A page of docs/. */
export function page(file: string): string {
  return readFileSync(join(DOCS, file), 'utf8');
}

/**
 * The part of a page between `<!-- generated: NAME -->` and `<!-- end -->` says what the program says. After a change:
 * UPDATE_DOCS=1 npx vitest run test/config test/cli test/api
 */
export function expectGenerated(file: string, name: string, wanted: string): void {
  const start = `<!-- generated: ${name} -->\n`;
  const text = page(file);
  const from = text.indexOf(start);
  if (from < 0) throw new Error(`${file} has no place for ${name}`);
  const to = text.indexOf('<!-- end -->', from);
  if (process.env.UPDATE_DOCS === '1') {
    writeFileSync(join(DOCS, file), `${text.slice(0, from)}${start}${wanted}${text.slice(to)}`);
    return;
  }
  expect(text.slice(from + start.length, to)).toBe(wanted);
}

const DOCS = join(import.meta.dirname, '../../docs');
