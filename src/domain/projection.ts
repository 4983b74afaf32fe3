import type { Decider } from './decider.ts';
import { DomainError } from './errors.ts';

/** What an operator has a projection go through. One at a time; nodes of the server carry it out. */
export type ProjectionOperation =
  | {
      readonly kind: 'rebuild';
      readonly operationId: string;
      /** Builds and compares, and keeps what is in use. */
      readonly dryRun: boolean;
      /** Waits for a switch before it is taken into use. */
      readonly held: boolean;
    }
  | { readonly kind: 'verification'; readonly operationId: string; readonly repair: boolean }
  | { readonly kind: 'switch' | 'rollback'; readonly operationId: string };

type Started<K extends ProjectionOperation['kind']> = Omit<
  Extract<ProjectionOperation, { readonly kind: K }>,
  'kind'
>;

interface Ended {
  readonly operationId: string;
  /** Events read for it. */
  readonly events: number;
  /** Rows that were not what the log tells. */
  readonly differences: number;
  /** Why it did not come to its end; null: it did. */
  readonly failure: string | null;
}

interface Named {
  readonly operationId: string;
}

export type ProjectionFacts = {
  ProjectionRebuildStarted: Started<'rebuild'>;
  ProjectionVerificationStarted: Started<'verification'>;
  ProjectionSwitchStarted: Named;
  ProjectionRollbackStarted: Named;
  ProjectionOperationEnded: Ended;
  ProjectionPaused: { readonly reason: string };
  ProjectionResumed: { readonly reason: string };
};

export type ProjectionWishes = {
  RebuildProjection: Started<'rebuild'>;
  VerifyProjection: Started<'verification'>;
  SwitchProjection: Named;
  RollProjectionBack: Named;
  EndProjectionOperation: Ended;
  PauseProjection: { readonly reason: string };
  ResumeProjection: { readonly reason: string };
};

export interface ProjectionState {
  readonly underWay: ProjectionOperation | null;
  readonly paused: boolean;
}

/** Those that there are: what the protocol reads, and the index that auditors search. */
export const PROJECTIONS = ['protocol', 'audit'] as const;
export type ProjectionName = (typeof PROJECTIONS)[number];

/** What operators do with a projection; `projection-protocol`, `projection-audit`. */
export const projection: Decider<ProjectionState, ProjectionWishes, ProjectionFacts> = {
  category: 'projection',
  initial: { underWay: null, paused: false },
  evolve: {
    ProjectionRebuildStarted: (state, fact) => ({
      ...state,
      underWay: { kind: 'rebuild', ...fact },
    }),
    ProjectionVerificationStarted: (state, fact) => ({
      ...state,
      underWay: { kind: 'verification', ...fact },
    }),
    ProjectionSwitchStarted: (state, fact) => ({ ...state, underWay: { kind: 'switch', ...fact } }),
    ProjectionRollbackStarted: (state, fact) => ({
      ...state,
      underWay: { kind: 'rollback', ...fact },
    }),
    ProjectionOperationEnded: (state) => ({ ...state, underWay: null }),
    ProjectionPaused: (state) => ({ ...state, paused: true }),
    ProjectionResumed: (state) => ({ ...state, paused: false }),
  },
  decide: {
    RebuildProjection(wish, state) {
      assertIdle(state);
      return [{ type: 'ProjectionRebuildStarted', data: wish }];
    },
    VerifyProjection(wish, state) {
      assertIdle(state);
      return [{ type: 'ProjectionVerificationStarted', data: wish }];
    },
    SwitchProjection(wish, state) {
      assertIdle(state);
      return [{ type: 'ProjectionSwitchStarted', data: wish }];
    },
    RollProjectionBack(wish, state) {
      assertIdle(state);
      return [{ type: 'ProjectionRollbackStarted', data: wish }];
    },
    EndProjectionOperation: (wish, { underWay }) =>
      underWay?.operationId === wish.operationId
        ? [{ type: 'ProjectionOperationEnded', data: wish }]
        : [],
    PauseProjection: (wish, { paused }) =>
      paused ? [] : [{ type: 'ProjectionPaused', data: wish }],
    ResumeProjection: (wish, { paused }) =>
      paused ? [{ type: 'ProjectionResumed', data: wish }] : [],
  },
};

function assertIdle({ underWay }: ProjectionState): void {
  if (!underWay) return;
  throw new DomainError('conflict', `a ${underWay.kind} of it is under way`, { field: 'name' });
}
