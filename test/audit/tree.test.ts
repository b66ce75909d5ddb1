import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test, vi } from 'vitest';
import { emptyRoot, HASH_BYTES, leafHash, nodeHash } from '../../src/audit/hash.ts';
import {
  consistencyRanges,
  consistent,
  type HashReader,
  includes,
  inclusionRanges,
  rangeRoot,
} from '../../src/audit/proof.ts';
import { TILE_WIDTH } from '../../src/audit/tiles.ts';
import { Tree } from '../../src/audit/tree.ts';

// Many runs of one property: a machine with other work to do needs its time.
vi.setConfig({ testTimeout: 60_000 });

// The entries and roots that the implementations of RFC 6962 share as test vectors.
const ENTRIES = ['', '00', '10', '2021', '3031', '40414243', '5051525354555657', '606162636465666768696a6b6c6d6e6f'];
const ROOTS = [
  'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
  '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',
  'fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125',
  'aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77',
  'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
  '4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4',
  '76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef',
  'ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c',
  '5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328',
];

describe('the tree', () => {
  test.each(ROOTS.map((root, size) => [size, root] as const))(
    'of %i entries has the root of RFC 6962',
    (size, root) => {
      expect(
        treeOf(ENTRIES.slice(0, size).map((hex) => Buffer.from(hex, 'hex')))
          .root()
          .toString('hex'),
      ).toBe(root);
    },
  );

  test.each([0, 1, 255, 256, 257, 511, 512, 1000])('of %i entries has the root that the definition gives', (size) => {
    const entries = numbered(size);
    expect(treeOf(entries).root()).toEqual(definition(entries.map(leafHash)));
  });

  test.each([
    [65_535, 255, 0],
    [65_536, 256, 1],
    [65_537, 256, 1],
  ])('of %i entries fills %i tiles of level 0 and %i of level 1', (size, lowest, above) => {
    const tree = new Tree();
    const full = [0, 0];
    const leaf = leafHash(Buffer.from('entry'));
    for (let index = 0; index < size; index += 1)
      for (const tile of tree.append(leaf)) full[tile.level] = (full[tile.level] ?? 0) + 1;
    expect(full).toEqual([lowest, above]);
    // All leaves being equal, each perfect subtree of a height has one root.
    let root = leaf;
    for (let height = 0; height < 16; height += 1) root = nodeHash(root, root);
    if (size === 65_536) expect(tree.root()).toEqual(root);
    if (size === 65_537) expect(tree.root()).toEqual(nodeHash(root, leaf));
  });

  test('goes on from its right edge as if it had never stopped', () => {
    const entries = numbered(700);
    for (const stop of [0, 1, 255, 256, 257, 512, 699]) {
      const first = treeOf(entries.slice(0, stop));
      const edges = [first.edge(0), first.edge(1)];
      const next = Tree.from(stop, edges);
      for (const entry of entries.slice(stop)) next.append(leafHash(entry));
      expect(next.root()).toEqual(treeOf(entries).root());
    }
  });

  test('a copy does not change with its original', () => {
    const tree = treeOf(numbered(10));
    const root = tree.root();
    const copy = tree.copy();
    tree.append(leafHash(Buffer.from('more')));
    expect(copy.root()).toEqual(root);
  });
});

describe('a proof of inclusion', () => {
  test.each([1, 2, 3, 7, 8, 255, 256, 257, 600])(
    'holds for every entry of a tree of %i, and for no other place',
    async (size) => {
      const hashes = numbered(size).map(leafHash);
      const root = definition(hashes);
      for (const index of places(size)) {
        const proof = await roots(inclusionRanges(index, size), hashes);
        const leaf = hashes[index] ?? emptyRoot();
        expect(includes(index, size, leaf, proof, root)).toBe(true);
        expect(includes(index, size, emptyRoot(), proof, root)).toBe(false);
        if (size > 1) expect(includes((index + 1) % size, size, leaf, proof, root)).toBe(false);
        expect(includes(index, size, leaf, [...proof, root], root)).toBe(false);
        if (proof.length > 0) expect(includes(index, size, leaf, proof.slice(1), root)).toBe(false);
      }
      expect(includes(size, size, hashes[0] ?? root, [], root)).toBe(false);
      expect(includes(-1, size, hashes[0] ?? root, [], root)).toBe(false);
    },
  );

  test('a flipped bit anywhere in it breaks it', () => {
    const hashes = numbered(100).map(leafHash);
    const root = definition(hashes);
    return fc.assert(
      fc.asyncProperty(fc.nat(99), fc.nat(), fc.nat(7), async (index, at, bit) => {
        const proof = await roots(inclusionRanges(index, 100), hashes);
        const flat = Buffer.concat(proof);
        flat[at % flat.length] = (flat[at % flat.length] ?? 0) ^ (1 << bit);
        const changed = proof.map((_, number) => flat.subarray(number * HASH_BYTES, (number + 1) * HASH_BYTES));
        expect(includes(index, 100, hashes[index] ?? root, changed, root)).toBe(false);
      }),
      { numRuns: 100 },
    );
  });
});

describe('a proof of consistency', () => {
  test('holds between any two sizes of one tree', async () => {
    const hashes = numbered(40).map(leafHash);
    for (let newer = 0; newer <= 40; newer += 1) {
      for (let older = 0; older <= newer; older += 1) {
        const proof = await roots(consistencyRanges(older, newer), hashes);
        const [before, after] = [at(hashes, older), at(hashes, newer)];
        expect(consistent(before, after, proof)).toBe(true);
        if (older > 0 && older < newer) {
          expect(consistent({ size: older, root: emptyRoot() }, after, proof)).toBe(false);
          expect(consistent(before, { size: newer, root: emptyRoot() }, proof)).toBe(false);
          expect(consistent(before, after, proof.slice(0, -1))).toBe(false);
        }
      }
    }
  });

  test('holds across tiles of two levels', async () => {
    const hashes = numbered(1200).map(leafHash);
    for (const [older, newer] of [
      [255, 256],
      [256, 257],
      [257, 1200],
      [512, 1024],
      [1023, 1200],
    ] as const) {
      const proof = await roots(consistencyRanges(older, newer), hashes);
      expect(consistent(at(hashes, older), at(hashes, newer), proof)).toBe(true);
    }
  });

  test('never holds from a larger tree to a smaller one', () => {
    const hashes = numbered(4).map(leafHash);
    expect(consistent(at(hashes, 4), at(hashes, 3), [])).toBe(false);
  });
});

/** MTH of RFC 6962, section 2.1, word for word. */
function definition(hashes: readonly Buffer[]): Buffer {
  if (hashes.length === 0) return createHash('sha256').digest();
  if (hashes.length === 1) return hashes[0] ?? Buffer.alloc(0);
  let k = 1;
  while (k * 2 < hashes.length) k *= 2;
  const [left, right] = [definition(hashes.slice(0, k)), definition(hashes.slice(k))];
  return createHash('sha256')
    .update(Buffer.from([1]))
    .update(left)
    .update(right)
    .digest();
}

function roots(ranges: ReturnType<typeof inclusionRanges>, hashes: readonly Buffer[]): Promise<Buffer[]> {
  const read: HashReader = async (level, start, count) => {
    expect(Math.floor(start / TILE_WIDTH)).toBe(Math.floor((start + count - 1) / TILE_WIDTH));
    const span = TILE_WIDTH ** level;
    return Buffer.concat(
      Array.from({ length: count }, (_, number) =>
        definition(hashes.slice((start + number) * span, (start + number + 1) * span)),
      ),
    );
  };
  return Promise.all(ranges.map((range) => rangeRoot(range, read)));
}

function places(size: number): readonly number[] {
  return [...new Set([0, 1, 127, 128, 254, 255, 256, 511, 512, size - 2, size - 1])].filter(
    (index) => index >= 0 && index < size,
  );
}

function at(hashes: readonly Buffer[], size: number): { size: number; root: Buffer } {
  return { size, root: definition(hashes.slice(0, size)) };
}

function numbered(count: number): readonly Buffer[] {
  return Array.from({ length: count }, (_, number) => Buffer.from(`entry ${number}`));
}

function treeOf(entries: readonly Buffer[]): Tree {
  const tree = new Tree();
  for (const entry of entries) tree.append(leafHash(entry));
  return tree;
}
