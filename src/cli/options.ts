import { InvalidArgumentError } from 'commander';
import { parseDuration } from '../config/values.ts';

export function wholeNumber(least: number, most: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!/^\d+$/.test(text) || value < least || value > most)
      throw new InvalidArgumentError(`a number from ${least} to ${most}`);
    return value;
  };
}

export function duration(text: string): number {
  const result = parseDuration(text);
  if (result.outcome === 'wrong') throw new InvalidArgumentError('a duration such as 30s, 15m, 12h, 7d');
  if (result.value > DURATION_MS_MAX) throw new InvalidArgumentError('at most 366d');
  return result.value;
}

export function speed(text: string): number {
  const value = Number(text);
  if (!(value > 0 && value <= 1000)) throw new InvalidArgumentError('a factor above 0, at most 1000');
  return value;
}

/** For options that may be given several times. */
export function collect(text: string, before: readonly string[] = []): readonly string[] {
  return [...before, text];
}

export function example(...lines: readonly string[]): string {
  return `\nExample:\n${lines.map((line) => `  $ ${line}\n`).join('')}`;
}

const DURATION_MS_MAX = 366 * 24 * 3_600_000;
