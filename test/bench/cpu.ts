import { readdirSync, readFileSync } from 'node:fs';

/** CPU time of a process, its threads and its children, in microseconds: user and kernel (proc(5), schedstat). */
export function cpuMicros(pid: number): number {
  let total = 0;
  try {
    for (const task of readdirSync(`/proc/${pid}/task`)) {
      total += Number(readFileSync(`/proc/${pid}/task/${task}/schedstat`, 'utf8').split(' ')[0]) / 1_000;
      for (const child of readFileSync(`/proc/${pid}/task/${task}/children`, 'utf8').trim().split(' ')) {
        if (child !== '') total += cpuMicros(Number(child));
      }
    }
  } catch {
    // A thread that ended between being listed and being read.
  }
  return total;
}

export function memoryKib(pid: number, field: 'VmRSS' | 'VmHWM'): number {
  return Number(new RegExp(`${field}:\\s+(\\d+)`).exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0);
}
