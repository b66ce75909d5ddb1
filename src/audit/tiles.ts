/**
 * Where the hashes and entries of a tree lie, as C2SP tlog-tiles says: tiles of 256 hashes, level 0 the leaves, each
 * level above holding the roots of the full tiles below; the last tile of a level may be partial.
 */
export const TILE_WIDTH = 256;

/** `entries` are bundles of 256 entries; a number is a level of hashes. */
export type TileKind = 'entries' | number;

export interface Tile {
  readonly kind: TileKind;
  readonly index: number;
  /** 1 to 256 hashes or entries. */
  readonly width: number;
}

export function tilePath(tile: Tile): string {
  const partial = tile.width < TILE_WIDTH ? `.p/${tile.width}` : '';
  return `tile/${tile.kind}/${groups(tile.index)}${partial}`;
}

/** The directory that holds the partial forms of one tile. */
export function partialDirectory(kind: TileKind, index: number): string {
  return `tile/${kind}/${groups(index)}.p`;
}

/** Groups of three digits, all but the last with an `x` in front: 1234067 is `x001/x234/067`. */
function groups(index: number): string {
  let path = String(index % 1000).padStart(3, '0');
  for (let rest = Math.floor(index / 1000); rest > 0; rest = Math.floor(rest / 1000)) {
    path = `x${String(rest % 1000).padStart(3, '0')}/${path}`;
  }
  return path;
}

/** The tile that a path below the log's directory names, or `null` for a path that names none. */
export function tileOfPath(path: string): Tile | null {
  const found = PATH.exec(path);
  if (found === null) return null;
  const [, kind = '', names = '', width] = found;
  const index = Number(names.replaceAll('/', '').replaceAll('x', ''));
  const tile: Tile = {
    kind: kind === 'entries' ? 'entries' : Number(kind),
    index,
    width: width === undefined ? TILE_WIDTH : Number(width),
  };
  // Only the one spelling of a number is a name: `x000/001` and `007.p/256` are strays.
  return tilePath(tile) === path && tile.width >= 1 ? tile : null;
}

/** How many hashes level `level` has in a tree of `size` leaves. */
export function levelCount(size: number, level: number): number {
  return Math.floor(size / TILE_WIDTH ** level);
}

/** The levels of a tree that have any hashes. */
export function levels(size: number): number {
  let level = 0;
  while (levelCount(size, level) > 0) level += 1;
  return level;
}

export function tileCount(size: number, kind: TileKind): number {
  return Math.ceil(levelCount(size, kind === 'entries' ? 0 : kind) / TILE_WIDTH);
}

/** The width of a tile in a tree of `size`; 0 when the tree does not reach it. */
export function tileWidth(size: number, kind: TileKind, index: number): number {
  const count = levelCount(size, kind === 'entries' ? 0 : kind) - index * TILE_WIDTH;
  return Math.max(0, Math.min(TILE_WIDTH, count));
}

const PATH = /^tile\/(entries|\d|[1-5]\d|6[0-3])\/((?:x\d{3}\/)*\d{3})(?:\.p\/([1-9]\d{0,2}))?$/;
