import type { Io, Rooms } from './cli/context.ts';
import { describeFailure } from './cli/failure.ts';
import { run } from './cli/program.ts';
import { VERSION } from './version.ts';

/** Rooms are imported when a command needs them: `--help` must not load a policy engine. */
const rooms: Rooms = {
  version: VERSION,
  startGateway: async (options) => (await import('./compose.ts')).startGateway(options),
  checkPolicies: async (config) => {
    const { policyOptions, policySources } = await import('./compose/policies.ts');
    const { loadPolicies } = await import('./policy/loader.ts');
    const loaded = await loadPolicies(policySources(config), policyOptions(config, Date.now()));
    if (loaded.outcome === 'refused') return { rules: 0, problems: loaded.problems, notes: [] };
    return { rules: loaded.set.rules.filter(({ builtin }) => !builtin).length, problems: [], notes: loaded.set.notes };
  },
  verifyLog: async (options) => (await import('./audit/verify.ts')).verifyLog(options),
  demo: async (options) => (await import('./cli/demo/demo.ts')).demo(options),
  checkBundle: async (bundle, vkey) => (await import('./audit/session-proof.ts')).checkSessionProof(bundle, vkey),
};

/** The first signal asks for an orderly end, the second ends at once. */
function stopSignal(): AbortSignal {
  const stop = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      if (stop.signal.aborted) process.exit(EXIT_SIGNALLED);
      stop.abort(signal);
    });
  }
  return stop.signal;
}

function systemIo(): Io {
  const stop = stopSignal();
  return {
    stdout: (text) => void process.stdout.write(text),
    stderr: (text) => void process.stderr.write(text),
    env: process.env,
    cwd: process.cwd(),
    now: () => Date.now(),
    sleep: (duration_ms) =>
      new Promise((resolve) => {
        const timer = setTimeout(done, duration_ms);
        function done(): void {
          clearTimeout(timer);
          stop.removeEventListener('abort', done);
          resolve();
        }
        stop.addEventListener('abort', done, { once: true });
      }),
    stop,
  };
}

async function main(): Promise<void> {
  const argv = process.argv.slice(2);
  // A reader that went away (`| head`) is how a pipe ends, not a failure.
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1));
  }
  // What nobody caught is a bug: the process cannot be trusted to go on, and the record survives a kill.
  const onBug = (error: unknown): never => {
    process.stderr.write(describeFailure(error, argv.includes('--debug')).text);
    process.exit(1);
  };
  process.on('uncaughtException', onBug);
  process.on('unhandledRejection', onBug);
  const io = systemIo();
  process.exitCode = await run(argv, io, rooms);
  // Signal handlers and idle sockets must not keep a command alive that has said all it had to say.
  await drained(process.stdout);
  await drained(process.stderr);
  process.exit();
}

function drained(stream: NodeJS.WriteStream): Promise<void> {
  return new Promise((resolve) => {
    stream.write('', () => resolve());
  });
}

const EXIT_SIGNALLED = 130;

await main();
