import { loadavg } from 'node:os';
import { parseArgs } from 'node:util';
import { startPostgres } from '../servers/postgres.ts';
import { type Bulk, bulk } from './bulk.ts';
import { prepare, WIDE_ROWS } from './data.ts';
import { direct, haproxy, type Peer, pgbouncer, sallyport } from './peers.ts';
import { pgbench, type Sample } from './pgbench.ts';

/** `npm run bench`: everything in one run, interleaved, as ratios against peers. Figures are bests of the rounds. */
const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '8' },
    transactions: { type: 'string', default: '4000' },
    'bulk-rounds': { type: 'string', default: '4' },
    json: { type: 'boolean', default: false },
  },
});
const rounds = Number(values.rounds);
const transactions = Number(values.transactions);

const OPEN = `@id("bench-open") permit (principal in Group::"bench", action in [Action::"open", Action::"sql.read"], resource in Target::"bench");
@id("bench-writes") @cure("approval") @approvers("dba") @count("1") @within("30m")
forbid (principal, action == Action::"sql.write", resource in Label::"env/bench") unless { context.approvedBy.contains("bench-writes") };
`;
const MASKED = `${OPEN}
@id("bench-mask") @cure("mask") @mask("full") forbid (principal, action == Action::"reveal", resource in Label::"pii");
`;

const server = await startPostgres({
  settings: { shared_buffers: '512MB', max_connections: '300' },
  hba: ['host all all 127.0.0.1/32 trust'],
});
const peers: Peer[] = [];
try {
  await prepare(server);
  peers.push(direct(server), await pgbouncer(server), await haproxy(server));
  peers.push(await sallyport(server, { name: 'sallyport (batched)', durability: 'batched', policy: OPEN }));
  peers.push(await sallyport(server, { name: 'sallyport (writes)', durability: 'writes', policy: OPEN }));
  const masked = await sallyport(server, { name: 'sallyport (1 of 8 masked)', durability: 'batched', policy: MASKED });
  peers.push(masked);
  const relays = peers.filter((peer) => peer !== masked);

  console.log(
    `load ${loadavg()
      .map((load) => load.toFixed(1))
      .join(' ')}, ${rounds} rounds, Node ${process.versions.node}`,
  );
  for (const mode of ['prepared', 'simple'] as const) {
    transactionsTable(mode, await interleave(relays, rounds, (peer) => pgbench(peer, mode, 1, transactions)));
  }
  bulkTable(
    await interleave(peers, Number(values['bulk-rounds']), (peer) => bulk(peer, 'select * from wide', WIDE_ROWS)),
  );
} finally {
  for (const peer of peers) await peer.stop();
  await server.stop();
}

/** Each round runs every peer once, each round beginning with another one. */
async function interleave<T>(
  all: readonly Peer[],
  count: number,
  once: (peer: Peer) => Promise<T>,
): Promise<Map<string, T[]>> {
  const samples = new Map<string, T[]>(all.map((peer) => [peer.name, []]));
  for (let round = 0; round < count; round += 1) {
    const turn = round % all.length;
    for (const peer of [...all.slice(turn), ...all.slice(0, turn)]) samples.get(peer.name)?.push(await once(peer));
  }
  return samples;
}

function transactionsTable(mode: string, samples: ReadonlyMap<string, readonly Sample[]>): void {
  const best = new Map([...samples].map(([name, all]) => [name, least(all)]));
  const [base, bouncer, proxy] = ['direct', 'pgbouncer', 'haproxy'].map((name) => best.get(name));
  if (base === undefined || bouncer === undefined || proxy === undefined) throw new Error('a peer is missing');
  warnOfNoise((samples.get('direct') ?? []).map((sample) => sample.p50_us));
  console.log(`\npgbench -S, ${mode}, 1 client: best of ${rounds} rounds of ${transactions}`);
  console.table(
    Object.fromEntries(
      [...best].map(([name, sample]) => [
        name,
        {
          'p50 µs': sample.p50_us,
          'added p50 µs': sample.p50_us - base.p50_us,
          'p99 µs': sample.p99_us,
          'CPU µs/tx': round(sample.cpu_us, 1),
          'CPU × pgbouncer': name === 'direct' ? '' : round(sample.cpu_us / bouncer.cpu_us, 2),
          'added p50 × haproxy':
            name === 'direct' ? '' : round((sample.p50_us - base.p50_us) / (proxy.p50_us - base.p50_us), 2),
        },
      ]),
    ),
  );
}

function bulkTable(samples: ReadonlyMap<string, readonly Bulk[]>): void {
  const rate = (name: string) => Math.max(...(samples.get(name) ?? []).map((sample) => sample.rowsPerSecond));
  warnOfNoise((samples.get('direct') ?? []).map((sample) => sample.rowsPerSecond));
  console.log(
    `\nbulk SELECT of ${WIDE_ROWS} rows of 8 columns, about 100 bytes each: best of ${values['bulk-rounds']} rounds`,
  );
  console.table(
    Object.fromEntries(
      [...samples].map(([name, all]) => [
        name,
        {
          'MB/s': round(Math.max(...all.map((sample) => sample.megabytesPerSecond)), 0),
          'rows/s': Math.round(rate(name)),
          'rows × direct': round(rate(name) / rate('direct'), 2),
          'rows × pgbouncer': round(rate(name) / rate('pgbouncer'), 2),
          'CPU ms/100 MB': round(Math.min(...all.map((sample) => sample.cpu_ms_per_100mb)), 0),
        },
      ]),
    ),
  );
}

/** Noise only ever adds: the least of each figure is the nearest to the truth. */
function least(samples: readonly Sample[]): Sample {
  const of = (figure: (sample: Sample) => number) => Math.min(...samples.map(figure));
  return {
    tps: Math.max(...samples.map((sample) => sample.tps)),
    p50_us: of((sample) => sample.p50_us),
    p99_us: of((sample) => sample.p99_us),
    cpu_us: of((sample) => sample.cpu_us),
  };
}

function warnOfNoise(figures: readonly number[]): void {
  const [low, high] = [Math.min(...figures), Math.max(...figures)];
  if (high > low * 1.2)
    console.log(
      `\nnoisy: direct itself varied by ${round((high / low - 1) * 100, 0)} % (${low} … ${high}); trust the bests only`,
    );
}

function round(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}
