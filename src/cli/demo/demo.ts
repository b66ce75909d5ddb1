import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Io } from '../context.ts';
import { type DemoStage, setStage } from './stage.ts';
import { type Narrator, tour } from './tour.ts';

/** `sallyport demo`: sets everything up, plays the tour, stays until Ctrl-C. Gives the exit code. */
export async function demo({ interactive, io }: { readonly interactive: boolean; readonly io: Io }): Promise<number> {
  const started = io.now();
  const style = styleFor(io);
  io.stdout(
    `${style.bold('Sallyport')}: a gateway, a database, an identity provider, all real, all on this machine.\n\n`,
  );
  const { stop, release } = stopOrHangup(io);
  try {
    const root = join(import.meta.dirname, '../../..');
    const stage = await setStage(root, (step) => io.stdout(`  starting ${step}\n`)).catch((fault: unknown) => {
      // What Ctrl-C has ended on its way up is no failure of ours.
      if (stop.aborted) return null;
      throw fault;
    });
    if (stage === null) return EXIT_SIGNALLED;
    try {
      io.stdout(
        `  ready after ${((io.now() - started) / 1_000).toFixed(1)} s (PostgreSQL ${stage.database.version})\n`,
      );
      return await play(stage, { interactive, io, style, stop });
    } finally {
      // After a hangup there is nobody to read it.
      if (io.stop.aborted) io.stdout('\nstopping …\n');
      await stage.stop();
    }
  } finally {
    release();
  }
}

interface Play {
  readonly interactive: boolean;
  readonly io: Io;
  readonly style: Style;
  readonly stop: AbortSignal;
}

async function play(stage: DemoStage, { interactive, io, style, stop }: Play): Promise<number> {
  const failures: string[] = [];
  const told = tour(stage, narrator(io, style, failures, stop));
  // Asked to stop, it waits no longer; what the tour still runs into then is silenced.
  await Promise.race([told, aborted(stop)]);
  if (stop.aborted) {
    told.catch(() => {});
    return EXIT_SIGNALLED;
  }
  io.stdout(
    failures.length === 0
      ? `\n${style.green('All of it happened as told.')}\n`
      : `\n${style.red(`Not as told: ${failures.join('; ')}`)}\n`,
  );
  if (interactive) await stay(stage, io, style, stop);
  return failures.length === 0 ? 0 : 1;
}

/** Ctrl-C, SIGTERM, and a terminal that was closed: otherwise the database would outlive it. */
function stopOrHangup(io: Io): { readonly stop: AbortSignal; readonly release: () => void } {
  const hangup = new AbortController();
  const onHangup = () => hangup.abort();
  process.on('SIGHUP', onHangup);
  return {
    stop: AbortSignal.any([io.stop, hangup.signal]),
    release: () => void process.removeListener('SIGHUP', onHangup),
  };
}

function aborted(stop: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (stop.aborted) resolve();
    else stop.addEventListener('abort', () => resolve(), { once: true });
  });
}

async function stay(stage: DemoStage, io: Io, style: Style, stop: AbortSignal): Promise<void> {
  const { host, port } = stage.postgres;
  const tokenOf = async (person: string): Promise<string> => {
    const file = join(stage.directory, `${person}.token`);
    writeFileSync(file, await stage.token(`${person}@example.com`), { mode: 0o600 });
    return file;
  };
  io.stdout(`
${style.bold('Now you.')} In another terminal, as Ann (the token is good for an hour):

  export PGPASSWORD=$(cat ${await tokenOf('ann')})
  psql "host=${host} port=${port} dbname=crm user=ann@example.com sslmode=verify-full sslrootcert=${stage.ca}"

What she writes waits for Dan. In a third one, as Dan:

  export SALLYPORT_GATEWAY=${stage.apiUrl.origin} SALLYPORT_CA=${stage.ca} SALLYPORT_TOKEN=$(cat ${await tokenOf('dan')})
  ./bin/sallyport requests ls
  ./bin/sallyport requests approve ID

In a fourth one, as the operator:

  export SALLYPORT_CONFIG=${join(stage.directory, 'sallyport.yaml')}
  ./bin/sallyport sessions ls
  ./bin/sallyport sessions tail

Ctrl-C ends it all and leaves nothing behind.
`);
  await aborted(stop);
}

function narrator(io: Io, style: Style, failures: string[], stop: AbortSignal): Narrator {
  const print = (text: string) => {
    if (!stop.aborted) io.stdout(`${text}\n`);
  };
  return {
    title: (text) => print(`\n${style.bold(text)}`),
    say: (text) => print(style.dim(`  ${text}`)),
    shell: (prompt, text) => print(`\n  ${style.cyan(`${prompt}>`)} ${text}`),
    output: (text) => {
      if (text !== '') print(indent(text));
    },
    check: (holds, what) => {
      if (!holds) failures.push(what);
      print(`\n  ${holds ? style.green('✓') : style.red('✗')} ${what}`);
    },
  };
}

function indent(text: string): string {
  return text
    .split('\n')
    .map((line) => `    ${line}`)
    .join('\n');
}

interface Style {
  bold(text: string): string;
  dim(text: string): string;
  cyan(text: string): string;
  green(text: string): string;
  red(text: string): string;
}

/** Colours only for a terminal, and not where NO_COLOR asks for none. */
function styleFor(io: Io): Style {
  const on = process.stdout.isTTY === true && (io.env.NO_COLOR ?? '') === '';
  const code = (start: number, end: number) => (text: string) => (on ? `\x1b[${start}m${text}\x1b[${end}m` : text);
  return { bold: code(1, 22), dim: code(2, 22), cyan: code(36, 39), green: code(32, 39), red: code(31, 39) };
}

const EXIT_SIGNALLED = 130;
