import type { Io, Rooms } from '../../src/cli/context.ts';

/** Hands and ears for a command, and what it said. */
export function collectingIo(
  env: NodeJS.ProcessEnv = {},
  cwd = '/',
): { io: Io; out: () => { stdout: string; stderr: string } } {
  let stdout = '';
  let stderr = '';
  const io: Io = {
    stdout: (text) => void (stdout += text),
    stderr: (text) => void (stderr += text),
    env,
    cwd,
    now: () => Date.UTC(2026, 10, 20),
    sleep: async () => {},
    stop: new AbortController().signal,
  };
  return { io, out: () => ({ stdout, stderr }) };
}

const absent = async (): Promise<never> => {
  throw new Error('not in this test');
};
export const NO_ROOMS: Rooms = {
  version: '0.0.0',
  startGateway: absent,
  checkPolicies: absent,
  verifyLog: absent,
  checkBundle: absent,
};
