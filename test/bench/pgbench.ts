import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { cpuMicros } from './cpu.ts';
import type { Peer } from './peers.ts';

export interface Sample {
  readonly tps: number;
  readonly p50_us: number;
  readonly p99_us: number;
  /** Of the peer, for one transaction; 0 for PostgreSQL itself. */
  readonly cpu_us: number;
}

/** One short pgbench run of its select-only script. */
export async function pgbench(
  peer: Peer,
  mode: 'prepared' | 'simple',
  clients: number,
  transactions: number,
): Promise<Sample> {
  const directory = mkdtempSync('/dev/shm/sallyport-bench-');
  try {
    const before = peer.pid === null ? 0 : cpuMicros(peer.pid);
    const output = await command(
      'pgbench',
      [
        ...['-h', '127.0.0.1', '-p', String(peer.port), '-U', peer.user, '-n', '-S', '-M', mode],
        ...['-c', String(clients), '-j', '1', '-t', String(Math.ceil(transactions / clients))],
        ...['-l', '--log-prefix', join(directory, 'log'), peer.database],
      ],
      { ...process.env, PGPASSWORD: peer.password, PGSSLMODE: 'disable' },
    );
    const after = peer.pid === null ? 0 : cpuMicros(peer.pid);
    const done = Number(/actually processed: (\d+)/.exec(output)?.[1]);
    const tps = Number(/tps = ([\d.]+)/.exec(output)?.[1]);
    if (!(done > 0) || !(tps > 0)) throw new Error(`pgbench through ${peer.name} said: ${output}`);
    const latencies = readdirSync(directory)
      .flatMap((file) => readFileSync(join(directory, file), 'utf8').trim().split('\n'))
      .map((line) => Number(line.split(' ')[2]))
      .toSorted((one, other) => one - other);
    const at = (share: number) => latencies[Math.floor(latencies.length * share)] ?? 0;
    return { tps, p50_us: at(0.5), p99_us: at(0.99), cpu_us: (after - before) / done };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

export function command(program: string, args: readonly string[], env: NodeJS.ProcessEnv): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
    let said = '';
    const hear = (bytes: Buffer) => {
      said += bytes.toString();
    };
    child.stdout.on('data', hear);
    child.stderr.on('data', hear);
    child.on('error', reject);
    child.on('exit', (status) =>
      status === 0 ? resolve(said) : reject(new Error(`${program} ended with ${status}: ${said}`)),
    );
  });
}
