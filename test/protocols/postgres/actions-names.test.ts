import { describe, expect, test } from 'vitest';
import { NameTable, UNSETTLED } from '../../../src/protocols/postgres/names.ts';

describe('a name', () => {
  test('is what was proposed inside its segment, and waits for the answer beyond it', () => {
    const table = new NameTable<string>();
    const proposal = table.propose('s', 'new', 1);
    expect(table.find('s', 1)).toBe('new');
    expect(table.find('s', 2)).toBe(UNSETTLED);
    expect(table.known('s')).toBeNull();
    proposal.settle(true);
    expect(table.find('s', 2)).toBe('new');
    expect(table.settled).toBe(true);
  });

  test('keeps its value when what was proposed fails', () => {
    const table = new NameTable<string>();
    table.propose('s', 'old', 1).settle(true);
    table.propose('s', 'new', 2).settle(false);
    expect(table.find('s', 3)).toBe('old');
    table.propose('s', null, 3).settle(true);
    expect(table.find('s', 4)).toBeNull();
    expect(table.size).toBe(0);
  });

  test('proposed several times in one segment is the last of them', () => {
    const table = new NameTable<string>();
    const first = table.propose('', 'a', 1);
    const second = table.propose('', 'b', 1);
    expect(table.find('', 1)).toBe('b');
    first.settle(true);
    expect(table.find('', 1)).toBe('b');
    second.settle(false);
    expect(table.find('', 1)).toBe('a');
  });

  test('settled twice counts once', () => {
    const table = new NameTable<string>();
    const proposal = table.propose('s', 'a', 1);
    table.propose('s', 'b', 1);
    proposal.settle(false);
    proposal.settle(true);
    expect(table.settled).toBe(false);
    expect(table.known('s')).toBeNull();
  });

  test('is forgotten with all others only while nothing is on its way', () => {
    const table = new NameTable<string>();
    table.propose('s', 'a', 1).settle(true);
    const open = table.propose('t', 'b', 2);
    table.clear();
    expect(table.known('s')).toBe('a');
    open.settle(true);
    table.clear();
    expect(table.size).toBe(0);
  });
});
