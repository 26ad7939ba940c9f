//! The processes that are compared.

use std::path::PathBuf;
use std::sync::Arc;

use bollard::query_parameters::LogsOptionsBuilder;
use futures_util::StreamExt as _;
use leaksoak::engine::LABEL_RUN;
use leaksoak::engine::docker::Docker;
use leaksoak_scenarios::{Http, Span, Strategy as Kind};
use leaksoak_strategies::delivery::{self, Delivery, Destination, Limits};
use leaksoak_strategies::docker_api::Engine;
use leaksoak_strategies::hybrid::{Hybrid, HybridSettings};
use leaksoak_strategies::log::Level;
use leaksoak_strategies::metrics::Metrics;
use leaksoak_strategies::pooled::{ClientSettings, Pooled, PooledClient};
use leaksoak_strategies::settings::{LiveSettings, Settings};
use leaksoak_strategies::shutdown::shutdown;
use leaksoak_strategies::{ArmConfig, Context, Strategy as _};
use tokio::runtime::Builder;

use crate::bare;
use crate::comparison::api;
use crate::meter::{Meter, measure};
use crate::{Contender, Mode, Outcome, ROLE, SCRATCH};

/// As in the scenario `throughput`.
const ROTATE_EVERY: Span = Span::from_secs(10);
const COALESCE: Span = Span::from_millis(10);

/// Does what `role` says, and prints what it measured of itself.
pub(crate) fn contend(role: &str) -> Outcome<()> {
    let mut words = role.split(' ');
    let (Some(contender), Some(mode), Some(run)) = (words.next(), words.next(), words.next()) else {
        return Err(format!("{ROLE} is `{role}`").into());
    };
    let (contender, mode): (Contender, Mode) = (contender.parse()?, mode.parse()?);
    let ids: Vec<String> = words.map(str::to_owned).collect();
    let meter = Arc::new(Meter::new(mode)?);
    let measured = match contender {
        Contender::Bollard => {
            let runtime = Builder::new_multi_thread().enable_all().build()?;
            measure(&runtime, bollard_follows(ids, Arc::clone(&meter)), mode, &meter, || meter.lines())?
        }
        Contender::Bare => {
            let runtime = Builder::new_current_thread().enable_all().build()?;
            measure(&runtime, bare::follows(ids, COALESCE.as_duration(), &meter), mode, &meter, || meter.lines())?
        }
        Contender::Pooled { coalesced, delivering } | Contender::Hybrid { coalesced, delivering } => {
            let runtime = Builder::new_current_thread().enable_all().build()?;
            let metrics = Arc::new(Metrics::default());
            let arm = Arm {
                contender,
                coalesce: if coalesced { COALESCE } else { Span::ZERO },
                delivering,
                run: run.to_owned(),
                scratch: std::env::var_os(SCRATCH).ok_or("no scratch directory")?.into(),
                meter: Arc::clone(&meter),
                metrics: Arc::clone(&metrics),
            };
            let lines = || if delivering { metrics.lines_delivered.get() } else { meter.lines() };
            measure(&runtime, arm.follow(), mode, &meter, lines)?
        }
    };
    println!("{}", measured.to_line());
    Ok(())
}

async fn bollard_follows(ids: Vec<String>, meter: Arc<Meter>) -> Outcome<()> {
    let api = api(&Docker::connect().await?).await?;
    let follow = |id: String| {
        let (api, meter) = (api.clone(), Arc::clone(&meter));
        async move {
            let options = LogsOptionsBuilder::new().stdout(true).stderr(true).timestamps(true).follow(true).build();
            let mut log = api.logs(&id, Some(options));
            while let Some(Ok(line)) = log.next().await {
                meter.line(&line.into_bytes());
            }
        }
    };
    let followers: Vec<_> = ids.into_iter().map(|id| tokio::spawn(follow(id))).collect();
    for follower in followers {
        follower.await?;
    }
    Ok(())
}

/// A strategy as a program of its own would run it.
struct Arm {
    contender: Contender,
    coalesce: Span,
    delivering: bool,
    run: String,
    scratch: PathBuf,
    meter: Arc<Meter>,
    metrics: Arc<Metrics>,
}

impl Arm {
    async fn follow(self) -> Outcome<()> {
        let docker = Docker::connect().await?;
        let config = self.config(&docker);
        // Of its few requests, as the host has it, `hybrid` waits for none on a tick.
        let client_settings = match self.contender {
            Contender::Hybrid { .. } => ClientSettings { http: Http::One, ..ClientSettings::default() },
            _ => ClientSettings { coalesce: self.coalesce.as_duration(), ..ClientSettings::default() },
        };
        let client = PooledClient::new(config.engine.clone(), client_settings, Arc::clone(&self.metrics));
        let (_trigger, shutdown) = shutdown();
        let (delivery, _pipeline) = if self.delivering {
            let destination = Destination::new(&config.sink_socket, &config.name, &config.state_dir);
            let (delivery, pipeline) =
                delivery::start(&destination, Limits::default(), Arc::clone(&self.metrics), Arc::default());
            (delivery, Some(pipeline))
        } else {
            let meter = Arc::clone(&self.meter);
            let take = move |line: &leaksoak_strategies::line::Line<'_>| meter.line(line.text.as_bytes());
            (Delivery::to_function(take, Arc::clone(&self.metrics)), None)
        };
        let context = Context {
            engine: Engine::new(client, &config.api_version),
            settings: LiveSettings::fixed(Settings::from(&config)),
            config: Arc::new(config),
            delivery,
            metrics: self.metrics,
            health: Arc::default(),
            shutdown,
        };
        let rotate_every = ROTATE_EVERY.as_duration();
        if let Contender::Hybrid { .. } = self.contender {
            let settings =
                HybridSettings { coalesce: self.coalesce.as_duration(), ..HybridSettings::new(rotate_every) };
            return Ok(Hybrid::new(settings).run(context).await?);
        }
        Ok(Pooled::new(rotate_every).run(context).await?)
    }

    fn config(&self, docker: &Docker) -> ArmConfig {
        ArmConfig {
            name: self.contender.name(),
            strategy: Kind::Pooled { rotate_every: ROTATE_EVERY, coalesce: self.coalesce, http: Http::Auto },
            delivery: leaksoak_scenarios::Delivery::default(),
            engine: docker.address().clone(),
            api_version: docker.info().api_version.clone(),
            labels: vec![format!("{LABEL_RUN}={}", self.run)],
            sink_socket: self.scratch.join("sink.sock"),
            own_socket: self.scratch.join("arm.sock"),
            state_dir: self.scratch.clone(),
            nofile: 1024,
            parent_pid: 0,
            log_level: Level::Info,
            containers: None,
            cgroup_procs: Vec::new(),
        }
    }
}
