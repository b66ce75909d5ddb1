import { readFileSync, statSync } from 'node:fs';
import type { Command } from 'commander';
import { checkpointView } from '../../api/contract.ts';
import { escapeControls } from '../../observe/redaction.ts';
import { ask, route } from '../call.ts';
import type { Context, VerifiedLog } from '../context.ts';
import { CommandFailure, usage } from '../failure.ts';
import { collect, example } from '../options.ts';
import { jsonText } from '../print.ts';

interface VerifyFlags {
  readonly log?: string;
  readonly key: string;
  readonly since?: readonly string[];
  readonly requireAnchor?: boolean;
  readonly session?: string;
  readonly bundle?: string;
}

export function addAudit(program: Command, context: Context): void {
  const audit = program.command('audit').description('the log: prove it whole, sign it off');
  audit
    .command('verify')
    .description('prove, offline and with the public key alone, that the log is what was signed')
    .option('--log <dir>', 'the log: data_dir/audit, or a copy of it')
    .requiredOption('--key <vkey>', "the gateway's verifier key, or a file that holds it (data_dir/audit/vkey)")
    .option('--since <file>', 'a checkpoint kept elsewhere; may be repeated', collect)
    .option('--require-anchor', 'fail where no checkpoint kept elsewhere shows that nothing was cut off')
    .option('--session <id>', 'with --bundle: the session it must prove')
    .option('--bundle <file>', 'verify an exported session instead of a log')
    .addHelpText('after', example('sallyport audit verify --log data/audit --key data/audit/vkey'))
    .action(async (flags: VerifyFlags, command: Command) => {
      const vkey = readKey(flags.key, context);
      if (flags.bundle !== undefined) return verifyBundle(flags, flags.bundle, vkey, context, command);
      if (flags.log === undefined) throw usage('which log?', '--log DIR, or --bundle FILE');
      if (flags.session !== undefined) throw usage('--session goes with --bundle');
      const since = (flags.since ?? []).map((path) => readText(context.path(path)));
      const directory = context.path(flags.log);
      const verified = await context.rooms.verifyLog({
        directory,
        vkey,
        since,
        requireAnchor: flags.requireAnchor === true,
      });
      context.finish(verified.exitCode);
      context.io.stdout(context.wantsJson(command) ? `${jsonText(verified)}\n` : verifiedText(verified));
    });
  audit
    .command('checkpoint')
    .description('the newest signed checkpoint: keep it elsewhere, and verify --since shows that nothing was cut off')
    .option('--vkey', 'print the key that verifies it instead')
    .addHelpText('after', example('sallyport audit checkpoint --config sallyport.yaml > elsewhere/checkpoint'))
    .action(async (flags: { vkey?: boolean }, command: Command) => {
      const view = await ask(context.client(command), checkpointView, 'GET', route(['audit', 'checkpoint']));
      if (context.wantsJson(command)) return context.io.stdout(`${jsonText(view)}\n`);
      const text = flags.vkey === true ? `${view.vkey}\n` : view.checkpoint;
      context.io.stdout(text.split('\n').map(escapeControls).join('\n'));
    });
}

function verifiedText(verified: VerifiedLog): string {
  const lines: string[] = [];
  if (verified.whole) {
    lines.push(`whole: ${verified.size} entries are exactly what ${verified.origin ?? '?'} signed`);
    if (verified.root !== null) lines.push(`  root ${verified.root}`);
    if (verified.anchored) lines.push('  nothing was cut off since the checkpoint kept elsewhere');
  } else {
    lines.push(verified.firstBad === null ? 'NOT whole' : `NOT whole: the first bad entry is ${verified.firstBad}`);
  }
  if (verified.unsigned > 0) lines.push(`  not signed yet, after the checkpoint: ${verified.unsigned}`);
  for (const problem of verified.problems) {
    const where = problem.entry === null ? (problem.path ?? '') : `entry ${problem.entry}`;
    lines.push(`  ${where === '' ? '' : `${where}: `}${problem.message}`);
  }
  if (verified.problemsMore > 0) lines.push(`  and ${verified.problemsMore} more`);
  for (const note of verified.notes) lines.push(`  ${note}`);
  return lines.map((line) => `${escapeControls(line)}\n`).join('');
}

async function verifyBundle(
  flags: VerifyFlags,
  path: string,
  vkey: string,
  context: Context,
  command: Command,
): Promise<void> {
  let bundle: unknown;
  try {
    bundle = JSON.parse(readText(context.path(path)));
  } catch (error) {
    if (error instanceof CommandFailure) throw error;
    throw new CommandFailure('RECORD_BROKEN', `${path} is not JSON`);
  }
  const wrong = [...(await context.rooms.checkBundle(bundle, vkey))];
  const session = typeof bundle === 'object' && bundle !== null && 'session' in bundle ? String(bundle.session) : '?';
  if (flags.session !== undefined && flags.session !== session)
    wrong.push(`it proves session ${session}, not ${flags.session}`);
  if (wrong.length > 0) context.finish(1);
  const shown = escapeControls(session);
  if (context.wantsJson(command)) {
    context.io.stdout(`${jsonText({ session, whole: wrong.length === 0, problems: wrong })}\n`);
  } else if (wrong.length === 0) {
    context.io.stdout(`whole: every entry of session ${shown} is in the log that was signed\n`);
  } else {
    context.io.stdout(`NOT whole\n${wrong.map((line) => `  ${escapeControls(line)}\n`).join('')}`);
  }
}

/** A verifier key is one line, `name+hash+key` (C2SP signed-note); anything else is a file that holds one. */
function readKey(given: string, context: Context): string {
  if (/^[^+\s]+\+[0-9a-f]{8}\+[A-Za-z0-9+/=]+$/.test(given)) return given;
  return readText(context.path(given)).trim();
}

function readText(path: string): string {
  try {
    if (statSync(path).size > FILE_BYTES_MAX) throw new Error(`longer than ${FILE_BYTES_MAX} bytes`);
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new CommandFailure('INPUT_INVALID', `${path} cannot be read`, error instanceof Error ? error.message : '');
  }
}

const FILE_BYTES_MAX = 64 * 1024 * 1024;
