//! One request, from its head to the head of its answer.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::response::Response;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, Version, header};
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;
use openclaw_bucket::{Decision, InFlight};
use openclaw_collector::{Clock, ControlledBy, Hints};
use openclaw_protocol::{Context, Outcome, UserId};
use tokio::sync::OwnedSemaphorePermit;

use crate::answer_body::AnswerBody;
use crate::client_body::{ClientBody, ClientBodyError, ClientFault};
use crate::exchange::{Exchange, outcome};
use crate::fields;
use crate::refusals::{self, Refused};
use crate::route::{Metered, metered};
use crate::rules::Rules;
use crate::service::Inner;
use crate::settings::{EdgeAway, LatencyUntil, Unkeyed};
use crate::upstream::UpstreamFailure;

/// Says by whom the limits were decided: `learned`, `local`, `open` or `closed`.
const MODE: HeaderName = HeaderName::from_static("openclaw-mode");
/// Says what shadow mode did not do.
const SHADOW: HeaderName = HeaderName::from_static("openclaw-shadow");
/// Processing time that a service reports of itself, in ms.
const WORK_MS: &str = "openclaw-work-ms";

/// Who decides about a request, as its answer names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    /// The edge: its answers hold.
    Learned,
    /// The local controller.
    Local,
    /// Nobody: everything is admitted.
    Open,
    /// Nobody: nothing is admitted.
    Closed,
}

impl Mode {
    fn now(sidecar: &Inner, away: EdgeAway) -> Self {
        match (sidecar.admission.controlled_by(), away) {
            (ControlledBy::Edge, _) => Self::Learned,
            // Without an edge there is none to be away.
            (ControlledBy::Local, EdgeAway::Open) if sidecar.has_edge => Self::Open,
            (ControlledBy::Local, EdgeAway::Closed) if sidecar.has_edge => Self::Closed,
            (ControlledBy::Local, _) => Self::Local,
        }
    }

    fn name(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Learned => "learned",
            Self::Local => "local",
            Self::Open => "open",
            Self::Closed => "closed",
        })
    }
}

/// A request that has arrived.
struct Arrived<'s> {
    sidecar: &'s Inner,
    rules: &'s Rules,
    head: Parts,
    body: ClientBody,
    peer: SocketAddr,
    /// The protocol that the client asks for, and its connection, which can then be taken over.
    upgrade: Option<(HeaderValue, OnUpgrade)>,
    started: Instant,
    arrival_ms: u64,
}

/// Answers one request.
pub(crate) async fn answer(sidecar: &Inner, mut request: Request<Incoming>) -> Response {
    let (started, arrival_ms) = (Instant::now(), Clock::unix_ms());
    let rules = sidecar.rules();
    if request.method() == Method::CONNECT {
        return refusals::connect();
    }
    let upgrade = fields::upgrade(request.version(), request.headers())
        .map(|protocol| (protocol, hyper::upgrade::on(&mut request)));
    let (head, body) = request.into_parts();
    let peer = head.extensions.get::<ConnectInfo<SocketAddr>>().map_or(sidecar.nobody(), |info| info.0);
    let body = ClientBody::new(body, rules.settings.client_idle);
    let mut arrived = Arrived { sidecar, rules: &rules, head, body, peer, upgrade, started, arrival_ms };
    match metered(&rules.settings.routes, &arrived.head.method, arrived.head.uri.path()) {
        Some(metered) => arrived.meter(metered).await,
        None => arrived.pass().await,
    }
}

/// Its methods borrow it: each future that owned it would hold half a kilobyte of its own, and a request's future is
/// allocated whole.
impl Arrived<'_> {
    /// Passes the request on unmetered.
    async fn pass(&mut self) -> Response {
        let (sidecar, started) = (self.sidecar, self.started);
        sidecar.meters.passed.increment(1);
        match self.forward().await {
            Ok(forwarded) => forwarded.answer(sidecar, started, None),
            Err(failure) => failed(sidecar, failure),
        }
    }

    async fn meter(&mut self, metered: &Metered) -> Response {
        let (sidecar, settings) = (self.sidecar, &self.rules.settings);
        let mode = Mode::now(sidecar, settings.edge_away);
        let user = match self.rules.keys.find(&self.head, self.peer.ip(), &mut self.body).await {
            Ok(Some(user)) => user,
            Ok(None) => {
                sidecar.meters.unkeyed.increment(1);
                match settings.unkeyed {
                    Unkeyed::Share => self.rules.unkeyed.clone(),
                    Unkeyed::Pass => return self.pass().await,
                    Unkeyed::Refuse if settings.shadow => return self.pass().await,
                    Unkeyed::Refuse => {
                        return throttled(sidecar, Refused::Unkeyed.answer(&sidecar.admission), mode);
                    }
                }
            }
            Err(error) => return failed(sidecar, UpstreamFailure::Client(fault(&error))),
        };
        let mut context = Context::default();
        Hints::read(&self.head.headers, &settings.vocabulary, settings.region.as_deref()).fill(&mut context);
        let admitted = match self.admit(&user, &context, metered, mode) {
            Ok(admitted) => admitted,
            Err(refused) => return throttled(sidecar, refused.answer(&sidecar.admission), mode),
        };
        self.exchange(user, context, metered, mode, admitted).await
    }

    /// Asks the guard and the bucket; the error is the refusal.
    fn admit(
        &self,
        user: &UserId,
        context: &Context,
        metered: &Metered,
        mode: Mode,
    ) -> Result<Admitted, Refused> {
        let admission = &self.sidecar.admission;
        let only_foretell = self.rules.settings.shadow || mode == Mode::Open;
        if mode == Mode::Closed && !only_foretell {
            admission.refused(std::iter::once((user, context)));
            return Err(Refused::Closed);
        }
        let (in_flight, guard_refused) = match admission.enter(user, context) {
            Ok(in_flight) => (in_flight, false),
            Err(_) if only_foretell => (admission.enter_regardless(user), true),
            Err(full) => {
                admission.refused(std::iter::once((user, context)));
                return Err(Refused::Guard(full));
            }
        };
        let decision = if only_foretell {
            admission.foretell(user, context, metered.cost)
        } else {
            admission.take_cost(user, context, metered.cost)
        };
        match decision {
            Decision::Limited(limited) if !only_foretell => Err(Refused::Bucket(limited)),
            _ => {
                let foretold = self.rules.settings.shadow
                    && (guard_refused || !decision.is_allowed() || mode == Mode::Closed);
                Ok(Admitted { in_flight, decision, foretold, tell: !only_foretell })
            }
        }
    }

    /// Passes an admitted request on, and sees to it that its end is counted.
    async fn exchange(
        &mut self,
        user: UserId,
        context: Context,
        metered: &Metered,
        mode: Mode,
        admitted: Admitted,
    ) -> Response {
        let (sidecar, settings) = (self.sidecar, &self.rules.settings);
        let Admitted { in_flight, decision, foretold, tell } = admitted;
        let mut exchange = Exchange {
            admission: Arc::clone(&sidecar.admission),
            meters: Arc::clone(&sidecar.meters),
            started: self.started,
            arrival_ms: self.arrival_ms,
            user,
            item: metered.item.clone(),
            score: settings.event_score,
            context,
            upload: self.body.upload(),
            // Until told otherwise, the client left.
            outcome: Outcome::Timeout,
            work: None,
            _in_flight: in_flight,
        };
        if foretold {
            sidecar.meters.foretold.increment(1);
        }
        let (started, until) = (self.started, settings.latency_until);
        let mut response = match self.forward().await {
            Ok(forwarded) => {
                let status = forwarded.response.status();
                exchange.work = work(forwarded.response.headers());
                let switches = status == StatusCode::SWITCHING_PROTOCOLS;
                let ending = if until == LatencyUntil::End && !switches {
                    Some((exchange, outcome(status)))
                } else {
                    exchange.end(outcome(status));
                    None
                };
                forwarded.answer(sidecar, started, ending)
            }
            Err(failure) => {
                exchange.end(match failure {
                    UpstreamFailure::HeadTimeout | UpstreamFailure::ConnectTimeout => Outcome::Timeout,
                    _ => Outcome::Failed,
                });
                failed(sidecar, failure)
            }
        };
        response.headers_mut().insert(MODE, mode.name());
        if foretold {
            response.headers_mut().insert(SHADOW, HeaderValue::from_static("would-throttle"));
        }
        if tell {
            refusals::describe(&mut response, &decision);
        }
        response
    }

    /// Asks the service; what is passed on is taken out of the request.
    async fn forward(&mut self) -> Result<Forwarded, UpstreamFailure> {
        let rules = self.rules;
        let upgrade = self.upgrade.take();
        let request = self.next_hop(upgrade.as_ref().map(|(protocol, _)| protocol))?;
        let (mut response, place) = rules.upstream.send(request).await?;
        let version = response.version();
        let switched = (response.status() == StatusCode::SWITCHING_PROTOCOLS)
            .then(|| response.headers().get(header::UPGRADE).cloned());
        fields::forward_response(response.headers_mut(), version, &rules.additions);
        response.headers_mut().remove(MODE);
        response.headers_mut().remove(SHADOW);
        let mut forwarded =
            Forwarded { idle_max: rules.settings.connection.idle, response, place, tunnel: None };
        if let Some(protocol) = switched {
            // A service that changes protocols unasked is not one that can be understood.
            let (Some((_, client)), Some(protocol)) = (upgrade, protocol) else {
                return Err(UpstreamFailure::Broken);
            };
            let headers = forwarded.response.headers_mut();
            headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
            headers.insert(header::UPGRADE, protocol);
            forwarded.tunnel = Some((client, rules.settings.connection.tunnel_idle));
        }
        Ok(forwarded)
    }

    /// The request as the service gets it.
    fn next_hop(&mut self, upgrade: Option<&HeaderValue>) -> Result<Request<ClientBody>, UpstreamFailure> {
        let Rules { upstream, settings, additions, .. } = self.rules;
        let target = upstream.target(&self.head.uri).map_err(|_| UpstreamFailure::Target)?;
        let mut headers = std::mem::take(&mut self.head.headers);
        let (uri, version) = (&self.head.uri, self.head.version);
        fields::forward_request(&mut headers, uri, version, self.peer, upgrade, additions);
        if settings.connection.http2 {
            // HTTP/2 names the host in its target.
            headers.remove(header::HOST);
        } else if !settings.preserve_host {
            headers.insert(header::HOST, upstream.host.clone());
        }
        let mut request = Request::new(std::mem::take(&mut self.body));
        *request.method_mut() = std::mem::take(&mut self.head.method);
        *request.uri_mut() = target;
        *request.version_mut() = Version::HTTP_11;
        *request.headers_mut() = headers;
        Ok(request)
    }
}

/// What guard and bucket said.
struct Admitted {
    in_flight: InFlight,
    decision: Decision,
    /// It would have been refused.
    foretold: bool,
    /// Whether the answer tells what is left.
    tell: bool,
}

/// The head of an answer, and what its body holds.
struct Forwarded {
    response: http::Response<Incoming>,
    place: OwnedSemaphorePermit,
    idle_max: Duration,
    tunnel: Option<(OnUpgrade, Duration)>,
}

impl Forwarded {
    /// The answer as the client gets it.
    fn answer(mut self, sidecar: &Inner, started: Instant, ending: Option<(Exchange, Outcome)>) -> Response {
        let tunnel = self.tunnel.map(|(client, idle)| (client, hyper::upgrade::on(&mut self.response), idle));
        let (head, body) = self.response.into_parts();
        let body = match tunnel {
            Some((client, service, idle_max)) => {
                sidecar.tunnels.join(client, service, idle_max, self.place);
                Body::empty()
            }
            None => {
                let meters = Arc::clone(&sidecar.meters);
                Body::new(AnswerBody::new(body, self.idle_max, started, meters, ending, self.place))
            }
        };
        let mut response = Response::new(body);
        *response.status_mut() = head.status;
        *response.headers_mut() = head.headers;
        response
    }
}

fn throttled(sidecar: &Inner, mut response: Response, mode: Mode) -> Response {
    sidecar.meters.throttled.increment(1);
    response.headers_mut().insert(MODE, mode.name());
    response
}

fn failed(sidecar: &Inner, failure: UpstreamFailure) -> Response {
    sidecar.meters.failures.of(failure).increment(1);
    refusals::upstream(failure)
}

fn fault(error: &ClientBodyError) -> ClientFault {
    match error {
        ClientBodyError::Silent => ClientFault::Silent,
        ClientBodyError::Broken(_) => ClientFault::Broken,
    }
}

fn work(headers: &HeaderMap) -> Option<Duration> {
    let ms: f64 = headers.get(WORK_MS)?.to_str().ok()?.trim().parse().ok()?;
    Duration::try_from_secs_f64(ms / 1e3).ok()
}
