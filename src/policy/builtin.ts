/**
 * The rules that are always there: `policy explain --builtin` prints them, nothing removes or overrides them, and observe
 * mode does not reach them. What Cedar cannot say in a rule (only a permit that names them counts for `compare`, `assign`,
 * `secret.reveal`, the opaque actions and the control plane) is in the schema's table of actions.
 */
export const BUILTIN_FILE = 'builtin.cedar';

export const BUILTIN_TEXT = `// Values come out as they are unless a forbid with @cure("mask") says otherwise.
@id("sallyport.reveal")
permit (principal, action == Action::"reveal", resource);

// Who may answer a request is said by the @approvers of the rule that asks.
@id("sallyport.decide")
permit (principal, action == Control::Action::"request.decide", resource);

@id("sallyport.control-is-for-people")
@message("the control plane is for people; agents, CI jobs and service accounts never enter it")
@hint("log in yourself: sallyport login")
forbid (principal, action in Control::Action::"control", resource)
unless { principal is Human || (principal is Workload && principal.mayApprove && action == Control::Action::"request.decide") };

@id("sallyport.decide-needs-may-approve")
@message("this principal may not decide requests")
@hint("a service account decides requests only with may_approve: true and a person who answers for it")
forbid (principal, action == Control::Action::"request.decide", resource)
unless { principal.mayApprove };
`;
