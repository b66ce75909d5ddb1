import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Api, createApi } from '../../src/api/api.ts';
import type { Io, Rooms } from '../../src/cli/context.ts';
import { run } from '../../src/cli/program.ts';
import { LIMITS } from '../../src/core/limits.ts';
import { API_OPTIONS, EVENTS, fakeRooms } from '../api/fake-rooms.ts';

/**
 * A transcript is what a terminal shows: `$ command`, its output, and `[exit N]` where N is not 0. Lines of standard
 * error begin with `! `. `@file NAME` … `@end` writes a file first; `$DIR` is the directory it runs in, `$URL` the
 * gateway's address, `NAME=value` before a command its environment.
 */
const TRANSCRIPTS = join(import.meta.dirname, 'transcripts');
const names = readdirSync(TRANSCRIPTS).filter((name) => name.endsWith('.txt'));
const NOW = Date.UTC(2026, 10, 20, 12, 1, 0);

const directory = mkdtempSync(join(tmpdir(), 'sp-cli-'));
const fake = fakeRooms();
let api: Api;
let url = '';

beforeAll(async () => {
  mkdirSync(join(directory, 'data'));
  writeFileSync(join(directory, 'sallyport.yaml'), 'gateway: { data_dir: ./data }\nlisteners: { nonsense }\n');
  api = createApi(fake, { ...API_OPTIONS, limits: { ...LIMITS, requests_per_second_max: 10_000 } });
  url = `http://${await api.listen({ kind: 'tcp', host: '127.0.0.1', port: 0 })}`;
  await api.listen({ kind: 'unix', path: join(directory, 'data/admin.sock') });
});
afterAll(async () => {
  await api.close();
  rmSync(directory, { recursive: true });
});

const rooms: Rooms = {
  version: '1.2.3',
  startGateway: async () => ({
    addresses: { postgres: '127.0.0.1:5433' },
    stop: async () => {},
    reload: async () => {},
  }),
  checkPolicies: async (config) =>
    config.policies.some((path) => readFileSync(path, 'utf8').includes('nonsense'))
      ? { rules: 0, problems: [{ file: 'p.cedar', line: 1, message: 'not Cedar' }], notes: [] }
      : { rules: 3, problems: [], notes: ['rule x is observed only'] },
  verifyLog: async ({ directory: log, since, requireAnchor }) => {
    const broken = log.endsWith('broken');
    return {
      whole: !broken,
      exitCode: broken || (requireAnchor && since.length === 0) ? 1 : 0,
      origin: 'gw',
      size: 42,
      root: 'aa'.repeat(32),
      firstBad: broken ? 7 : null,
      problems: broken ? [{ entry: 7, path: null, message: 'its hash is not the one in the tree' }] : [],
      problemsMore: broken ? 2 : 0,
      unsigned: broken ? 0 : 1,
      anchored: since.length > 0,
      notes: since.length > 0 ? [] : ['tail not anchored'],
    };
  },
  checkBundle: async (bundle) =>
    typeof bundle === 'object' && bundle !== null && 'bad' in bundle ? ['entry 3: its proof does not hold'] : [],
};

describe('the command line', () => {
  test('has its transcripts', () => {
    expect(names.length).toBeGreaterThanOrEqual(12);
  });

  test.each(names)('%s', async (name) => {
    const text = readFileSync(join(TRANSCRIPTS, name), 'utf8');
    const played = await play(text);
    // To read and judge a changed transcript as a diff: UPDATE_TRANSCRIPTS=1 npx vitest run test/cli
    if (process.env.UPDATE_TRANSCRIPTS === '1') writeFileSync(join(TRANSCRIPTS, name), played);
    else expect(played).toBe(text);
  });
});

/** The transcript as it comes out. */
async function play(text: string): Promise<string> {
  const lines = text.replace(/\n$/, '').split('\n');
  const out: string[] = [];
  let index = 0;
  while (index < lines.length) {
    const line = lines[index++] ?? '';
    if (line.startsWith('@file ')) {
      const end = lines.indexOf('@end', index);
      writeCaseFile(line.slice('@file '.length), lines.slice(index, end).join('\n'));
      out.push(line, ...lines.slice(index, end), '@end');
      index = end + 1;
    } else if (line.startsWith('$ ')) {
      out.push(line, ...(await command(line.slice(2))));
      while (index < lines.length && !/^(\$ |@file |#|$)/.test(lines[index] ?? '')) index++;
    } else if (line === '' || line.startsWith('#')) out.push(line);
    else throw new Error(`a line of no command: ${line}`);
  }
  return `${out.join('\n')}\n`;
}

function writeCaseFile(described: string, body: string): void {
  const [name = '', mode] = described.split(' mode ');
  const path = join(directory, name);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, `${body}\n`);
  if (mode !== undefined) chmodSync(path, Number.parseInt(mode, 8));
}

async function command(line: string): Promise<readonly string[]> {
  const words = split(line.replaceAll('$DIR', directory).replaceAll('$URL', url));
  const env: Record<string, string> = { HOME: join(directory, 'home') };
  while (/^[A-Z_]+=/.test(words[0] ?? '')) {
    const [name = '', ...value] = (words.shift() ?? '').split('=');
    env[name] = value.join('=');
  }
  if (words.shift() !== 'sallyport') throw new Error(`not a command of ours: ${line}`);
  const out: string[] = [];
  const stop = new AbortController();
  const io: Io = {
    stdout: (text) => void out.push(text),
    stderr: (text) => void out.push(text.replace(/^(?=.)/gm, '! ')),
    env,
    cwd: directory,
    now: () => NOW,
    sleep: async (duration_ms) => void out.push(`(waits ${duration_ms} ms)\n`),
    stop: stop.signal,
  };
  // What follows a tail happens while it is open.
  if (words.includes('tail')) setTimeout(() => happen(words), 150);
  if (words.includes('serve')) setTimeout(() => stop.abort('SIGTERM'), 50);
  const exit = await run(words, io, rooms);
  const text = out
    .join('')
    .replaceAll(directory, '$DIR')
    .replaceAll(url, '$URL')
    .replace(/"time":"[^"]*"/g, '"time":"…"');
  const shown =
    text === ''
      ? []
      : text
          .replace(/\n$/, '')
          .split('\n')
          .map((one) => (one === '' ? '.' : one));
  return exit === 0 ? shown : [...shown, `[exit ${exit}]`];
}

function happen(words: readonly string[]): void {
  for (const event of EVENTS) fake.emit(event);
  fake.endTails(words.includes('ses_1') ? 'the session ended' : 'the gateway stops');
}

/** Words as a shell splits them, with both kinds of quotes and nothing else. */
function split(line: string): string[] {
  return [...line.matchAll(/((?:[^\s"']|"[^"]*"|'[^']*')+)/g)].map(([word]) =>
    word.replace(/"([^"]*)"|'([^']*)'/g, '$1$2'),
  );
}
