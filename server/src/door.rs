//! The queue of one connection: bounded, and small while nothing waits in it, since there is one for each connection.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// A queue that has grown beyond this many places gives them back when it is empty.
const KEPT: usize = 16;

struct Queue<T> {
    waiting: VecDeque<T>,
    closed: bool,
}

/// Through which what one connection asks goes in, in order, to the one who does it.
pub struct Door<T> {
    queue: Mutex<Queue<T>>,
    bell: Notify,
}

impl<T> Default for Door<T> {
    fn default() -> Self {
        Self {
            queue: Mutex::new(Queue {
                waiting: VecDeque::new(),
                closed: false,
            }),
            bell: Notify::new(),
        }
    }
}

impl<T> Door<T> {
    fn queue(&self) -> MutexGuard<'_, Queue<T>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets one in. It comes back where so many wait already; after the end it is dropped.
    pub fn enter(&self, one: T, most: usize) -> Result<(), T> {
        let mut queue = self.queue();
        if queue.closed {
            return Ok(());
        }
        if queue.waiting.len() >= most {
            return Err(one);
        }
        queue.waiting.push_back(one);
        drop(queue);
        self.bell.notify_one();
        Ok(())
    }

    /// Nobody comes in any more, and who waits is sent away.
    pub fn close(&self) {
        let mut queue = self.queue();
        queue.closed = true;
        queue.waiting = VecDeque::new();
        drop(queue);
        self.bell.notify_one();
    }

    /// Whether it is closed.
    pub fn is_closed(&self) -> bool {
        self.queue().closed
    }

    /// The next, for the one who does what is asked; none when the door is closed. With `open` unset nobody is let through, and only the end is
    /// waited for. May be given up.
    pub async fn next(&self, open: bool) -> Option<T> {
        loop {
            {
                let mut queue = self.queue();
                if queue.closed {
                    return None;
                }
                if open && let Some(one) = queue.waiting.pop_front() {
                    if queue.waiting.is_empty() && queue.waiting.capacity() > KEPT {
                        queue.waiting = VecDeque::new();
                    }
                    return Some(one);
                }
            }
            self.bell.notified().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;
    use futures::future::join;

    use super::*;

    #[tokio::test]
    async fn they_go_through_in_order_and_no_more_wait_than_may() {
        let door = Door::default();
        let entered: Vec<_> = (0..5).map(|n| door.enter(n, 3)).collect();
        assert_eq!(entered, [Ok(()), Ok(()), Ok(()), Err(3), Err(4)]);
        for n in 0..3 {
            assert_eq!(door.next(true).await, Some(n));
        }
        assert_eq!(door.next(true).now_or_never(), None);
    }

    #[tokio::test]
    async fn who_comes_while_it_is_shut_is_found_when_it_opens() {
        let door = Door::default();
        assert_eq!(door.enter(1, 3), Ok(()));
        assert_eq!(door.next(false).now_or_never(), None);
        assert_eq!(door.next(true).now_or_never(), Some(Some(1)));
    }

    #[tokio::test]
    async fn the_end_is_told_to_who_waits_and_nobody_comes_in_after_it() {
        let door = Door::default();
        assert_eq!(door.enter(1, 3), Ok(()));
        let (next, ()) = join(door.next(false), async { door.close() }).await;
        assert_eq!(next, None);
        assert!(door.is_closed());
        assert_eq!(door.enter(2, 3), Ok(()));
        assert_eq!(door.next(true).await, None);
    }
}
