import { expect, test } from 'vitest';
import { Generations } from '../../../src/protocols/sql/generations.ts';

test('never holds more than it may', () => {
  const memory = new Generations<number>(10);
  for (let at = 0; at < 1_000; at += 1) {
    memory.set(`key ${at}`, at);
    expect(memory.size).toBeLessThanOrEqual(10);
  }
});

test('keeps what is asked for', () => {
  const memory = new Generations<number>(10);
  memory.set('wanted', 1);
  for (let at = 0; at < 100; at += 1) {
    memory.set(`key ${at}`, at);
    expect(memory.get('wanted')).toBe(1);
  }
});

test('forgets what nobody asks for', () => {
  const memory = new Generations<number>(10);
  memory.set('unwanted', 1);
  for (let at = 0; at < 10; at += 1) memory.set(`key ${at}`, at);
  expect(memory.get('unwanted')).toBeUndefined();
});
