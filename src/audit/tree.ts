import { emptyRoot, HASH_BYTES, hashInto, nodeHash, perfectRoot } from './hash.ts';
import { levelCount, TILE_WIDTH } from './tiles.ts';

/** A tile that has just become full. */
export interface FullTile {
  readonly level: number;
  readonly index: number;
  readonly hashes: Buffer;
}

/**
 * The right edge of a tree: for each level the hashes of its last, partial tile. That is all that is needed to append
 * and to compute the root, and all that has to be read from disk to go on with a log.
 */
export class Tree {
  #size = 0;
  /** One buffer of 256 hashes for each level; of `levelCount(size, level) % 256` of them the content counts. */
  readonly #edges: Buffer[] = [];

  get size(): number {
    return this.#size;
  }

  /** From what lies on disk: `edges[level]` are the hashes of that level's last tile when it is partial, else empty. */
  static from(size: number, edges: readonly Uint8Array[]): Tree {
    const tree = new Tree();
    tree.#size = size;
    for (const [level, hashes] of edges.entries()) {
      const edge = Buffer.alloc(TILE_WIDTH * HASH_BYTES);
      edge.set(hashes.subarray(0, tree.#width(level) * HASH_BYTES));
      tree.#edges.push(edge);
    }
    return tree;
  }

  copy(): Tree {
    return Tree.from(this.#size, this.#edges);
  }

  /** Appends a leaf by its hash and returns the tiles it filled, lowest level first. */
  append(leaf: Uint8Array): readonly FullTile[] {
    this.#edge(0).set(leaf, this.#width(0) * HASH_BYTES);
    return this.#grown();
  }

  /** Appends the leaf (0x00 ‖ entry) that these bytes are. */
  appendLeaf(leaf: Uint8Array): readonly FullTile[] {
    hashInto(leaf, this.#edge(0), this.#width(0) * HASH_BYTES);
    return this.#grown();
  }

  #grown(): readonly FullTile[] {
    let full: FullTile[] | undefined;
    for (let level = 0; this.#width(level) + 1 === TILE_WIDTH; level += 1) {
      const hashes = Buffer.from(this.#edge(level));
      full ??= [];
      full.push({ level, index: Math.floor(levelCount(this.#size, level) / TILE_WIDTH), hashes });
      this.#edge(level + 1).set(perfectRoot(hashes, 0, TILE_WIDTH), this.#width(level + 1) * HASH_BYTES);
    }
    this.#size += 1;
    return full ?? NONE;
  }

  /** The hashes of a level's last tile when that is partial; empty otherwise. */
  edge(level: number): Buffer {
    const edge = this.#edges[level];
    return edge === undefined ? Buffer.alloc(0) : Buffer.from(edge.subarray(0, this.#width(level) * HASH_BYTES));
  }

  root(): Buffer {
    let root: Buffer | null = null;
    for (const [level, edge] of this.#edges.entries()) root = foldLeft(edge, this.#width(level), root);
    return root ?? emptyRoot();
  }

  #width(level: number): number {
    return levelCount(this.#size, level) % TILE_WIDTH;
  }

  #edge(level: number): Buffer {
    let edge = this.#edges[level];
    if (edge === undefined) {
      edge = Buffer.alloc(TILE_WIDTH * HASH_BYTES);
      this.#edges.push(edge);
    }
    return edge;
  }
}

/**
 * Puts the first `width` hashes of a partial tile to the left of what the levels below made. They are taken as perfect
 * subtrees, the smallest and rightmost first, which is how RFC 6962 splits a tree that is not full.
 */
export function foldLeft(hashes: Uint8Array, width: number, right: Buffer | null): Buffer | null {
  let root = right;
  let end = width;
  for (let count = 1; end > 0; count *= 2) {
    if ((end & count) === 0) continue;
    const subtree = perfectRoot(hashes, end - count, count);
    root = root === null ? subtree : nodeHash(subtree, root);
    end -= count;
  }
  return root;
}

const NONE: readonly FullTile[] = [];
