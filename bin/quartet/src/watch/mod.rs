//! `quartet watch`: one or several nodes, live.

mod app;
mod lines;
mod model;
mod node;
mod poll;
mod theme;
mod view;

use std::{
    collections::BTreeMap,
    env,
    io::{self, IsTerminal as _, Write as _},
    process::ExitCode,
    thread,
    time::Duration,
};

use anyhow::{Context as _, ensure};
use clap::Args;
use quartet_checkpoint::ServerUrl;
use ratatui::crossterm::event::{self, Event};
use tokio::{sync::mpsc, task::JoinSet, time::interval};

use crate::{
    lean_api::{Reader, address, unix_ms},
    signals::Signals,
};
use app::{App, Next};
use model::Model;
use poll::Update;
use theme::Theme;

pub(crate) use theme::colour_is_wanted;

/// Nodes that are watched at once: as many as a screen has rows for.
const MOST_NODES: usize = 64;
/// How often the screen is drawn when nothing happens, so that times in seconds go on.
const REDRAW: Duration = Duration::from_millis(500);
/// How long to wait for a key before checking whether the receiver was dropped.
const KEYBOARD: Duration = Duration::from_millis(200);

/// Watch one or several nodes in the terminal.
#[derive(Debug, Args)]
#[command(
    long_about = "Watch one or several nodes in the terminal, of any client that serves the lean HTTP API as far as it does.\n\n\
    Keys: Tab or → ← for the pane, ↑ ↓ for the node, ? for help, q to quit. Without a terminal it prints a line a slot for each node, until it \
    is stopped."
)]
pub(crate) struct WatchArgs {
    /// The nodes' HTTP addresses.
    #[arg(default_value = "http://127.0.0.1:5052", value_parser = address)]
    urls: Vec<ServerUrl>,
}

impl WatchArgs {
    /// Watches until it is stopped.
    ///
    /// # Errors
    /// When the terminal cannot be used.
    pub(crate) async fn run(self) -> anyhow::Result<ExitCode> {
        ensure!(
            self.urls.len() <= MOST_NODES,
            "expected at most {MOST_NODES} nodes, found {}",
            self.urls.len()
        );
        let reader = Reader::new().context("cannot set up TLS")?;
        let model = Model::new(self.urls.iter().map(ToString::to_string));
        let signals = Signals::take_over(true).context("cannot take the signals over")?;
        let (sender, updates) = mpsc::channel(MOST_NODES);
        let mut followers = JoinSet::new();
        for (node, url) in self.urls.into_iter().enumerate() {
            followers.spawn(poll::poll_forever(
                reader.clone(),
                url,
                node,
                sender.clone(),
            ));
        }
        if io::stdout().is_terminal() && io::stdin().is_terminal() {
            on_screen(model, updates, signals).await?
        } else {
            in_lines(model, updates, signals).await?
        }
        Ok(ExitCode::SUCCESS)
    }
}

async fn on_screen(
    model: Model,
    updates: mpsc::Receiver<Update>,
    signals: Signals,
) -> anyhow::Result<()> {
    let colour = colour_is_wanted(|name| env::var_os(name));
    let app = App::new(model, Theme { colour });
    // Sets a panic hook too, which gives the terminal back.
    let mut terminal = ratatui::try_init().context("cannot take the terminal over")?;
    let outcome = show(&mut terminal, app, updates, signals).await;
    ratatui::try_restore().context("cannot give the terminal back")?;
    outcome
}

async fn show(
    terminal: &mut ratatui::DefaultTerminal,
    mut app: App,
    mut updates: mpsc::Receiver<Update>,
    mut signals: Signals,
) -> anyhow::Result<()> {
    let mut keys = keyboard();
    let mut redraw = interval(REDRAW);
    loop {
        app.now = unix_ms();
        terminal.draw(|frame| view::draw(frame, &app))?;
        tokio::select! {
            biased;
            () = signals.next() => return Ok(()),
            key = keys.recv() => match key {
                Some(Event::Key(key)) if app.press(key) == Next::Quit => return Ok(()),
                Some(_) => {}
                // The terminal is gone.
                None => return Ok(()),
            },
            Some(update) = updates.recv() => app.model.take(update),
            _ = redraw.tick() => {}
        }
    }
}

/// Reads keys on a thread of its own, which ends soon after the receiver was dropped.
fn keyboard() -> mpsc::Receiver<Event> {
    let (sender, keys) = mpsc::channel(16);
    thread::spawn(move || {
        while !sender.is_closed() {
            let event = match event::poll(KEYBOARD) {
                Ok(false) => continue,
                Ok(true) => event::read(),
                Err(error) => Err(error),
            };
            let Ok(event) = event else {
                return;
            };
            if sender.blocking_send(event).is_err() {
                return;
            }
        }
    });
    keys
}

async fn in_lines(
    mut model: Model,
    mut updates: mpsc::Receiver<Update>,
    mut signals: Signals,
) -> anyhow::Result<()> {
    let mut said = BTreeMap::new();
    loop {
        let update = tokio::select! {
            biased;
            () = signals.next() => return Ok(()),
            Some(update) = updates.recv() => update,
        };
        let place = update.node;
        model.take(update);
        let Some(node) = model.nodes.get(place) else {
            continue;
        };
        let key = lines::key(node);
        if said.insert(place, key) == Some(key) {
            continue;
        }
        let mut stdout = io::stdout().lock();
        let written = writeln!(stdout, "{}", lines::line(node)).and_then(|()| stdout.flush());
        match written {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(()),
            other => other?,
        }
    }
}
