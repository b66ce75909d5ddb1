import { join } from 'node:path';
import { readLog } from '../../src/audit/offline.ts';
import type { StoredEntry } from '../../src/audit/reader.ts';
import type { FrontendMessage } from '../../src/protocols/postgres/messages.ts';
import type { World } from '../e2e/world.ts';
import type { RawClient } from '../servers/raw-client.ts';

/** What a gateway that was killed again and again has kept. Everything but the counts must be empty. */
export interface Tally {
  kills: number;
  /** Actions that the target saw. */
  seen: number;
  /** Actions whose end the client saw. */
  completed: number;
  denied: number;
  /** Seen by the target, and not in the record. */
  readonly unrecorded: string[];
  /** Completed at the client, and without a result in the record. */
  readonly withoutResult: string[];
  /** Refused, and seen by the target all the same. */
  readonly leaked: string[];
  /** Whatever the verifier found. */
  readonly broken: string[];
}

export interface Kills {
  readonly times: number;
  readonly random: (below: number) => number;
  readonly told?: (tally: Tally) => void;
}

/**
 * Kills the gateway with SIGKILL under mixed load, and starts it again. Every statement carries a mark of its own; the
 * oracle is the tap before the target: what it let pass must be in the record that the dead gateway has left.
 */
export async function killUnderLoad(world: World, { times, random, told }: Kills): Promise<Tally> {
  const { gateway, tap } = world;
  const tally: Tally = {
    kills: 0,
    seen: 0,
    completed: 0,
    denied: 0,
    unrecorded: [],
    withoutResult: [],
    leaked: [],
    broken: [],
  };
  const everSeen = new Set<string>();
  let from = 0;
  await Promise.all(ACCOUNTS.map((account) => gateway.token(account)));
  for (let round = 0; round < times; round += 1) {
    tap.reset();
    const load = new Load(world, round, random);
    load.begin();
    // Mostly while statements run, however slow the machine; each fourth time whenever it happens to be.
    if (round % 4 !== 3) await load.underWay();
    await new Promise((resolve) => setTimeout(resolve, 50 + random(400)));
    await gateway.kill();
    const { completed, denied } = await load.ended();
    tally.kills += 1;
    const seen = new Set(tap.sent().toString('latin1').match(MARK) ?? []);
    const { entries, size } = await entriesFrom(world, from);
    from = size;
    const { forwarded, results } = marksIn(entries);
    for (const mark of seen) if (!forwarded.has(mark)) tally.unrecorded.push(mark);
    for (const mark of completed) if (!results.has(mark)) tally.withoutResult.push(mark);
    for (const mark of denied) if (seen.has(mark)) tally.leaked.push(mark);
    for (const mark of seen) everSeen.add(mark);
    tally.seen += seen.size;
    tally.completed += completed.size;
    tally.denied += denied.size;
    const report = await gateway.verify();
    if (!report.whole) tally.broken.push(...report.problems.map(({ message }) => `after kill ${round}: ${message}`));
    await gateway.restart();
    told?.(tally);
  }
  await gateway.stop();
  const all = marksIn((await entriesFrom(world, 0)).entries).forwarded;
  for (const mark of everSeen) if (!all.has(mark)) tally.unrecorded.push(`${mark}, after the restarts`);
  const report = await gateway.verify();
  if (!report.whole) tally.broken.push(...report.problems.map(({ message }) => `in the end: ${message}`));
  return tally;
}

async function entriesFrom(world: World, from: number) {
  const { reader } = await readLog(join(world.gateway.directory, 'data', 'audit'), null);
  const entries: StoredEntry[] = [];
  for await (const entry of reader.range(from, reader.size)) entries.push(entry);
  return { entries, size: reader.size };
}

/** The marks of what the record says was forwarded, and of what has a result. */
function marksIn(entries: readonly StoredEntry[]) {
  const [forwarded, results] = [new Set<string>(), new Set<string>()];
  const marksOf = new Map<number, readonly string[]>();
  for (const { index, entry, sealed } of entries) {
    if (entry.verdict === 'forward' || entry.verdict === 'observed') {
      const marks = JSON.stringify(sealed).match(MARK) ?? [];
      marksOf.set(index, marks);
      for (const mark of marks) forwarded.add(mark);
    } else if (entry.kind === 'result' && entry.of !== null) {
      for (const mark of marksOf.get(entry.of) ?? []) results.add(mark);
    }
  }
  return { forwarded, results };
}

/** Several clients who read, write, bind, copy and are refused, until the gateway dies under them. */
class Load {
  readonly #world: World;
  readonly #round: number;
  readonly #random: (below: number) => number;
  readonly #completed = new Set<string>();
  readonly #denied = new Set<string>();
  readonly #clients: Promise<void>[] = [];
  #count = 0;

  constructor(world: World, round: number, random: (below: number) => number) {
    this.#world = world;
    this.#round = round;
    this.#random = random;
  }

  begin(): void {
    for (const account of ACCOUNTS) this.#clients.push(this.#client(account));
  }

  /** Several statements are through; or half a minute has passed, and the counts will tell. */
  async underWay(): Promise<void> {
    for (let tries = 0; tries < 1500 && this.#completed.size < 4; tries += 1)
      await new Promise((resolve) => setTimeout(resolve, 20));
  }

  async ended() {
    await Promise.all(this.#clients);
    return { completed: this.#completed, denied: this.#denied };
  }

  async #client(account: (typeof ACCOUNTS)[number]): Promise<void> {
    let client: RawClient | null = null;
    try {
      client = await this.#world.gateway.login(account, 'crm');
      for (;;) await this.#once(client, account);
    } catch {
      // It was killed.
    } finally {
      client?.end();
    }
  }

  async #once(client: RawClient, account: string): Promise<void> {
    this.#count += 1;
    const mark = `mark-${this.#round}-${this.#count}-kram`;
    const kinds = account === 'max' ? WRITER : READER;
    const kind = kinds[this.#random(kinds.length)] ?? 'read';
    client.send(...messages(kind, mark, this.#random(200) + 1));
    const answer = await client.until('ready-for-query');
    if (answer.some(({ type }) => type === 'error')) {
      if (kind === 'denied') this.#denied.add(mark);
    } else {
      this.#completed.add(mark);
    }
  }
}

function messages(kind: string, mark: string, id: number): readonly FrontendMessage[] {
  const query = (sql: string): FrontendMessage => ({ type: 'query', text: Buffer.from(sql) });
  switch (kind) {
    case 'read':
      return [query(`select id, total from orders where id = ${id} /* ${mark} */`)];
    case 'masked':
      return [query(`select id, ssn from customers /* ${mark} */`)];
    case 'bulk':
      return [query(`select o.id, p.id from orders o, orders p where p.id < ${id} /* ${mark} */`)];
    case 'copy':
      return [query(`copy (select id from orders /* ${mark} */) to stdout`)];
    case 'write':
      return [query(`update orders set total = ${id} where id = ${id} /* ${mark} */`)];
    case 'denied':
      return [query(`drop table orders /* ${mark} */`)];
    default:
      return [
        { type: 'parse', statement: '', text: Buffer.from('select $1::text, $2::int'), parameterTypes: [] },
        {
          type: 'bind',
          portal: '',
          statement: '',
          parameterFormats: [],
          parameters: [Buffer.from(mark), Buffer.from(String(id))],
          resultFormats: [],
        },
        { type: 'execute', portal: '', rowsMax: 0 },
        { type: 'sync' },
      ];
  }
}

const ACCOUNTS = ['ann', 'ann', 'fay', 'max', 'max'] as const;
const READER = ['read', 'masked', 'bulk', 'copy', 'bound', 'bound', 'denied'] as const;
const WRITER = ['read', 'write', 'write', 'bound', 'copy'] as const;
const MARK = /mark-\d+-\d+-kram/g;
