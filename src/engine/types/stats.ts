// What a container uses.

/** One reading of a container's counters. Times in nanoseconds, sizes in bytes. */
export interface StatsSample {
  readonly readAt: Date;
  readonly cpu: CpuSample;
  readonly memory: MemorySample;
  readonly pids: { readonly current: number; readonly limit?: number };
  readonly blockIo: readonly BlockIoSample[];
  /** By interface name in the container; absent in host and container modes. */
  readonly networks?: Readonly<Record<string, InterfaceSample>>;
}

export interface CpuSample {
  readonly totalNs: number;
  readonly kernelNs: number;
  readonly userNs: number;
  /** CPU time of the whole machine. */
  readonly systemNs: number;
  readonly onlineCpus: number;
  readonly throttling: {
    readonly periods: number;
    readonly throttledPeriods: number;
    readonly throttledNs: number;
  };
}

export interface MemorySample {
  readonly usageBytes: number;
  readonly limitBytes: number;
  /** memory.stat as the kernel names it. */
  readonly stats: Readonly<Record<string, number>>;
}

export interface BlockIoSample {
  readonly major: number;
  readonly minor: number;
  /** read, write, … */
  readonly operation: string;
  readonly bytes: number;
}

export interface InterfaceSample {
  readonly rxBytes: number;
  readonly rxPackets: number;
  readonly rxErrors: number;
  readonly rxDropped: number;
  readonly txBytes: number;
  readonly txPackets: number;
  readonly txErrors: number;
  readonly txDropped: number;
}
