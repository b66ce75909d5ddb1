import type { Random } from './random.ts';
import type { Target } from './target.ts';

const INPUT_BYTES_MAX = 4_096;

type Mutator = (input: Buffer, random: Random, others: readonly Buffer[], dictionary: readonly string[]) => Buffer;

/** One to eight changes; in half of the cases lengths are made to fit again, so that the change is read and not refused. */
export function mutate(input: Buffer, others: readonly Buffer[], target: Target, random: Random): Buffer {
  let mutated = input;
  const changes = 1 << random.below(4);
  for (let change = 0; change < changes; change++) {
    mutated = random.pick(MUTATORS)(mutated, random, others, target.dictionary).subarray(0, INPUT_BYTES_MAX);
  }
  // A view of a larger buffer would hide a read past the end, so every input is a buffer of its own.
  const own = Buffer.from(mutated);
  return random.below(2) === 0 ? own : fixLengths(own, target.framing);
}

/** Walks the messages and gives the first whose length does not fit the rest one that does. */
export function fixLengths(input: Buffer, framing: Target['framing']): Buffer {
  if (framing === 'none') return input;
  const fixed = Buffer.from(input);
  if (framing === 'startup') {
    if (fixed.length >= 4) fixed.writeInt32BE(fixed.length, 0);
    return fixed;
  }
  for (let offset = 0; offset + 5 <= fixed.length; ) {
    const length = fixed.readInt32BE(offset + 1);
    if (length < 4 || offset + 1 + length > fixed.length) {
      fixed.writeInt32BE(fixed.length - offset - 1, offset + 1);
      break;
    }
    offset += 1 + length;
  }
  return fixed;
}

const INTERESTING = [
  0,
  1,
  2,
  3,
  4,
  5,
  7,
  8,
  127,
  128,
  255,
  256,
  1_664,
  32_767,
  32_768,
  65_535,
  65_536,
  2 ** 31 - 1,
  2 ** 31,
  2 ** 32 - 2,
  2 ** 32 - 1,
];

const flipBit: Mutator = (input, random) => {
  if (input.length === 0) return input;
  const output = Buffer.from(input);
  const at = random.below(output.length);
  output[at] = (output[at] ?? 0) ^ (1 << random.below(8));
  return output;
};

const setByte: Mutator = (input, random) => {
  if (input.length === 0) return input;
  const output = Buffer.from(input);
  output[random.below(output.length)] = random.below(256);
  return output;
};

const setInteger: Mutator = (input, random) => {
  const width = random.pick([1, 2, 4]);
  if (input.length < width) return input;
  const output = Buffer.from(input);
  const value = random.pick(INTERESTING) % 2 ** (8 * width);
  output.writeUIntBE(value, random.below(output.length - width + 1), width);
  return output;
};

const insertBytes: Mutator = (input, random) => {
  const at = random.below(input.length + 1);
  const bytes = Buffer.alloc(1 + random.below(8), random.pick([0, 0, 0xff, 0x41, 0x2c]));
  return Buffer.concat([input.subarray(0, at), bytes, input.subarray(at)]);
};

const insertWord: Mutator = (input, random, _, dictionary) => {
  if (dictionary.length === 0) return input;
  const at = random.below(input.length + 1);
  return Buffer.concat([input.subarray(0, at), Buffer.from(random.pick(dictionary), 'latin1'), input.subarray(at)]);
};

const removeBytes: Mutator = (input, random) => {
  const at = random.below(input.length + 1);
  return Buffer.concat([input.subarray(0, at), input.subarray(at + 1 + random.below(8))]);
};

const repeatBytes: Mutator = (input, random) => {
  const at = random.below(input.length + 1);
  const chunk = input.subarray(at, at + 1 + random.below(64));
  return Buffer.concat([input.subarray(0, at), chunk, chunk, input.subarray(at)]);
};

const splice: Mutator = (input, random, others) => {
  const other = random.pick(others);
  return Buffer.concat([
    input.subarray(0, random.below(input.length + 1)),
    other.subarray(random.below(other.length + 1)),
  ]);
};

const append: Mutator = (input, random, others) => Buffer.concat([input, random.pick(others)]);

const MUTATORS: readonly Mutator[] = [
  flipBit,
  setByte,
  setInteger,
  insertBytes,
  insertWord,
  removeBytes,
  repeatBytes,
  splice,
  append,
];
