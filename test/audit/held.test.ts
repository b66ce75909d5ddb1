import { describe, expect, test } from 'vitest';
import { FrameWriter, indexOf, SALT_BYTES } from '../../src/audit/frame.ts';
import { Held } from '../../src/audit/held.ts';

describe('entries that are held', () => {
  test('are given back by their place, over all the buffers they lie in', () => {
    const { held, count } = hold(3_000);
    expect(places(held, 0, count)).toEqual(Array.from({ length: count }, (_, index) => index));
    expect(places(held, 700, 2_900)).toEqual(Array.from({ length: 2_200 }, (_, number) => 700 + number));
    expect([...held.runs(0, count)].length).toBeGreaterThan(1);
    expect(held.length(0, count)).toBe(held.bytes);
    for (const index of [0, 1_234, count - 1]) {
      expect(held.leaf(index)?.subarray(1).toString()).toContain(`head ${index} `);
      const stored = held.stored(index);
      expect([stored?.encrypted, stored?.stored.subarray(SALT_BYTES).toString()]).toEqual([false, `sealed ${index}`]);
    }
    expect([held.leaf(count), held.stored(count)]).toEqual([null, null]);
  });

  test('are gone once they are released, and what was read of them before stays as it was', () => {
    const { held, recycled, count } = hold(3_000);
    const [leaf, stored] = [held.leaf(10), held.stored(10)];
    held.release(2_500);
    expect(recycled.length).toBeGreaterThan(0);
    for (const slab of recycled) slab.fill(0xff);
    expect(leaf?.toString()).toContain('head 10 ');
    expect(stored?.stored.subarray(SALT_BYTES).toString()).toBe('sealed 10');
    expect([held.leaf(2_499), held.stored(2_499)]).toEqual([null, null]);
    expect(held.leaf(2_500)?.toString()).toContain('head 2500 ');
    expect(held.bytes).toBe(held.length(2_500, count));
    held.release(count);
    expect(held.bytes).toBe(0);
  });
});

function hold(count: number): { held: Held; recycled: Buffer[]; count: number } {
  const recycled: Buffer[] = [];
  const writer = new FrameWriter();
  const held = new Held(0, (slab) => recycled.push(slab));
  for (let index = 0; index < count; index += 1) {
    const head = `head ${index} `.padEnd(400, '.');
    held.add(index, writer.write(index, `sealed ${index}`, head, '"}', null), `s${index % 3}`);
  }
  return { held, recycled, count };
}

function places(held: Held, from: number, to: number): number[] {
  const found: number[] = [];
  for (const run of held.runs(from, to)) {
    for (let number = run.from; number < run.to; number += 1) {
      const index = indexOf(run.bytes, run.starts[number] ?? 0);
      expect(run.sessions[number]).toBe(`s${index % 3}`);
      found.push(index);
    }
  }
  return found;
}
