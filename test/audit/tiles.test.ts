import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { levelCount, levels, type Tile, tileCount, tileOfPath, tilePath, tileWidth } from '../../src/audit/tiles.ts';

describe('a tile', () => {
  // The examples of C2SP tlog-tiles.
  test.each<[Tile, string]>([
    [{ kind: 0, index: 0, width: 256 }, 'tile/0/000'],
    [{ kind: 'entries', index: 1234067, width: 256 }, 'tile/entries/x001/x234/067'],
    [{ kind: 1, index: 0, width: 1 }, 'tile/1/000.p/1'],
    [{ kind: 0, index: 273, width: 112 }, 'tile/0/273.p/112'],
    [{ kind: 0, index: 999, width: 256 }, 'tile/0/999'],
    [{ kind: 0, index: 1000, width: 255 }, 'tile/0/x001/000.p/255'],
    [{ kind: 63, index: 1_000_000, width: 256 }, 'tile/63/x001/x000/000'],
  ])('%o lies at %s', (tile, path) => {
    expect(tilePath(tile)).toBe(path);
    expect(tileOfPath(path)).toEqual(tile);
  });

  test.each([
    'tile/0/1',
    'tile/0/x000/001',
    'tile/0/000.p/0',
    'tile/0/000.p/256',
    'tile/0/000.p/01',
    'tile/00/000',
    'tile/64/000',
    'tile/entries/000.p',
    'tile/0/000.p/1/2',
    'tile/0/x001',
    'tile/0/000~',
    'checkpoint',
  ])('is not at %s', (path) => {
    expect(tileOfPath(path)).toBeNull();
  });

  test('is found again by its path, whatever it is', () => {
    const kinds = fc.oneof(fc.constant('entries' as const), fc.nat(63));
    fc.assert(
      fc.property(kinds, fc.maxSafeNat(), fc.integer({ min: 1, max: 256 }), (kind, index, width) => {
        expect(tileOfPath(tilePath({ kind, index, width }))).toEqual({ kind, index, width });
      }),
    );
  });
});

describe('a tree', () => {
  test.each([
    [0, 0, []],
    [1, 1, [1]],
    [255, 1, [255]],
    [256, 2, [256, 1]],
    [257, 2, [257, 1]],
    [65_535, 2, [65_535, 255]],
    [65_536, 3, [65_536, 256, 1]],
    [65_537, 3, [65_537, 256, 1]],
    [2 ** 40, 6, [2 ** 40, 2 ** 32, 2 ** 24, 2 ** 16, 2 ** 8, 1]],
  ])('of %d entries has %d levels of hashes', (size, count, hashes) => {
    expect(levels(size)).toBe(count);
    expect(hashes.map((_, level) => levelCount(size, level))).toEqual(hashes);
  });

  test('of 256 entries has one full tile and a partial one above it', () => {
    expect([tileWidth(256, 0, 0), tileWidth(256, 1, 0), tileWidth(256, 0, 1)]).toEqual([256, 1, 0]);
    expect([tileCount(256, 'entries'), tileCount(256, 0), tileCount(256, 1), tileCount(256, 2)]).toEqual([1, 1, 1, 0]);
  });

  test('of 257 entries has a second, partial tile', () => {
    expect([tileWidth(257, 'entries', 0), tileWidth(257, 'entries', 1), tileCount(257, 0)]).toEqual([256, 1, 2]);
  });
});
